// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 on host memory: what the documented driver API promises, and no more.
//
// Device memory is an address range nobody may touch (PROT_NONE), with the bytes kept aside, so a
// host access faults and a device access is bounds checked.  A stream is a thread that works off a
// queue; a copy to or from pinned memory happens when its turn comes, not when it is asked for, and
// so a missing synchronisation is seen.  A fault sticks (CUDA_ERROR_ILLEGAL_ADDRESS), as on a GPU.
// The prototypes are the real <cuda.h>'s: one that is wrong does not compile.
//
// Stricter than a GPU: the default stream waits for no other stream, nor they for it, so what leans
// on that is found; only memory of CU_MEMHOSTALLOC_DEVICEMAP has an address on the device.
// What it is not: kernels, modules, textures, memory pools, managed memory, the runtime API's
// private tables.  Every such function answers CUDA_ERROR_NOT_SUPPORTED.
#pragma once

#include <cuda.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#define API extern "C" CUresult CUDAAPI

namespace fake {

using Work = std::function<void()>;

// A call that waits lets go of Python's lock, or a host function in Python could never run.
class WithoutPython {
 public:
  WithoutPython();
  ~WithoutPython();

 private:
  void* saved_ = nullptr;
};

struct Knobs {
  std::atomic<long> delay_us{0};      // before everything that a stream does
  std::atomic<long> integrated{0};    // 1: shares memory with the CPU, as a Jetson does
  std::atomic<long> memory{2L << 30}; // bytes of each device
  std::atomic<long> init_error{0};    // what cuInit answers
  std::atomic<long> devices{1};
  std::atomic<long> dla_cores{0};     // read by the fake TensorRT
};
Knobs& knobs();

void count(const char* what, long change = 1);
void violation(const std::string& what);
void fault();       // from now on every call answers CUDA_ERROR_ILLEGAL_ADDRESS
CUresult faulted(); // that, or CUDA_SUCCESS

struct Context;

struct Stream {
  explicit Stream(Context* owner);
  ~Stream();
  // Run it in turn, `slow` delays late; or, while capturing, remember it.
  void put(Work work, int slow = 1);
  void synchronize();
  bool idle();

  Context* const context;
  bool capturing = false;
  bool spoilt = false; // a forbidden call was made during the capture
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id capturer;
  std::vector<Work> captured;

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Work, int>> queue_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

struct Event {
  explicit Event(Context* owner) : context(owner) {}
  Context* const context;
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t wanted = 0;
  uint64_t done = 0;
  double milliseconds = 0;
};

struct Context {
  int device;
  bool primary;
  int references = 0;
  std::shared_ptr<Stream> default_stream;
};

extern std::recursive_mutex table_mutex;
using Lock = std::lock_guard<std::recursive_mutex>;

bool initialized();
CUresult current(Context** context);                       // the calling thread's
std::shared_ptr<Stream> find(CUstream stream, Context*);   // null: not a stream of that context
std::vector<std::shared_ptr<Stream>> streams_of(Context*); // with the default one
CUresult forbid_in_capture();                              // spoils a capture that forbids the call
void destroy_streams(Context*);

char* bytes_at(CUdeviceptr address, size_t size); // null: out of bounds, freed or not the device's
int device_of(CUdeviceptr address);               // -1 for mapped host memory
bool is_pinned(const void* address, size_t size);
void forget_device_memory(); // what nobody could free after a fault

}  // namespace fake

#define CURRENT(context)                                                     \
  fake::Context* context = nullptr;                                          \
  if (CUresult problem = fake::current(&context); problem != CUDA_SUCCESS) { \
    return problem;                                                          \
  }
