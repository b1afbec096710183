// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Device and pinned memory.  Fresh memory is garbage, freed memory is garbage of another kind.
#include "state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include <cstdlib>
#include <cstring>
#include <map>

namespace fake {

namespace {

constexpr size_t kPage = 4096;
constexpr int kFreshDevice = 0xCB;
constexpr int kFreshPinned = 0xAB;
constexpr int kFreed = 0xDD;

struct Block {
  size_t size;
  int device;
  char* bytes;
  int file = -1;  // of memory that other processes may open
  bool foreign = false;
};

struct Handle {  // what the 64 bytes of a CUipcMemHandle are
  char magic[8];
  int process, file, device;
  size_t size;
};
constexpr char kMagic[8] = "fakeipc";
struct Pinned {
  size_t size;
  unsigned flags;
  bool registered;  // the caller's own memory
};

std::map<CUdeviceptr, Block>& blocks() {
  static auto* all = new std::map<CUdeviceptr, Block>;
  return *all;
}
std::map<char*, Pinned>& pinned() {
  static auto* all = new std::map<char*, Pinned>;
  return *all;
}
std::map<int, size_t>& used() {
  static auto* all = new std::map<int, size_t>;
  return *all;
}

size_t pages(size_t size) { return (size + kPage - 1) & ~(kPage - 1); }

void wait_for_all(Context* context) {
  for (auto& stream : streams_of(context)) stream->synchronize();
}

std::map<char*, Pinned>::iterator pinned_around(const void* address, size_t size) {
  auto* wanted = static_cast<char*>(const_cast<void*>(address));
  auto found = pinned().upper_bound(wanted);
  if (found == pinned().begin()) return pinned().end();
  --found;
  return wanted + size <= found->first + found->second.size ? found : pinned().end();
}

std::map<CUdeviceptr, Block>::iterator block_around(CUdeviceptr address, size_t size) {
  auto found = blocks().upper_bound(address);
  if (found == blocks().begin()) return blocks().end();
  --found;
  return address + size <= found->first + found->second.size ? found : blocks().end();
}

// 0 when the device is full.
CUdeviceptr allocate(int device, size_t size) {
  Lock lock(table_mutex);
  size_t& taken = used()[device];
  if (taken + size > static_cast<size_t>(knobs().memory)) return 0;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* place = mmap(nullptr, pages(size), PROT_NONE, flags, -1, 0);
  if (place == MAP_FAILED) return 0;
  auto* bytes = static_cast<char*>(malloc(size));
  memset(bytes, kFreshDevice, size);
  auto address = reinterpret_cast<CUdeviceptr>(place);
  blocks()[address] = {size, device, bytes};
  taken += size;
  count("device_allocations");
  count("device_bytes", size);
  return address;
}

bool release(CUdeviceptr address) {
  Lock lock(table_mutex);
  auto found = blocks().find(address);
  if (found == blocks().end() || found->second.foreign) return false;
  Block block = found->second;
  used()[block.device] -= block.size;
  memset(block.bytes, kFreed, block.size);
  if (block.file < 0) {
    free(block.bytes);
  } else {
    munmap(block.bytes, block.size);
    close(block.file);
  }
  blocks().erase(found);  // the address stays reserved: who still uses it is found out
  count("device_allocations", -1);
  count("device_bytes", -static_cast<long>(block.size));
  return true;
}

}  // namespace

char* bytes_at(CUdeviceptr address, size_t size) {
  Lock lock(table_mutex);
  auto block = block_around(address, size);
  if (block != blocks().end()) return block->second.bytes + (address - block->first);
  auto host = pinned_around(reinterpret_cast<void*>(address), size);
  bool mapped = host != pinned().end() && host->second.flags & CU_MEMHOSTALLOC_DEVICEMAP;
  return mapped ? reinterpret_cast<char*>(address) : nullptr;
}

int device_of(CUdeviceptr address) {
  Lock lock(table_mutex);
  auto block = block_around(address, 0);
  return block == blocks().end() ? -1 : block->second.device;
}

void forget_device_memory() {
  Lock lock(table_mutex);
  for (auto& [address, block] : blocks()) {
    used()[block.device] -= block.size;
    count("device_allocations", -1);
    count("device_bytes", -static_cast<long>(block.size));
  }
  blocks().clear();
}

bool is_pinned(const void* address, size_t size) {
  Lock lock(table_mutex);
  return pinned_around(address, size) != pinned().end();
}

}  // namespace fake

using namespace fake;

API cuMemGetInfo(size_t* free, size_t* total) {
  CURRENT(context)
  Lock lock(table_mutex);
  *total = knobs().memory;
  *free = *total - std::min(*total, used()[context->device]);
  return CUDA_SUCCESS;
}

API cuMemAlloc(CUdeviceptr* address, size_t size) {
  CURRENT(context)
  if (CUresult problem = forbid_in_capture()) return problem;
  if (!size) return CUDA_ERROR_INVALID_VALUE;
  *address = allocate(context->device, size);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuMemFree(CUdeviceptr address) {
  CURRENT(context)
  if (CUresult problem = forbid_in_capture()) return problem;
  if (!address) return CUDA_SUCCESS;
  wait_for_all(context);
  return release(address) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// For the fake TensorRT, whose contexts hold device memory without asking for a current context.
extern "C" CUdeviceptr fakecuda_allocate(int device, size_t size) { return allocate(device, size); }

extern "C" int fakecuda_release(CUdeviceptr address) { return release(address); }

API cuMemHostAlloc(void** address, size_t size, unsigned flags) {
  CURRENT(context)
  if (CUresult problem = forbid_in_capture()) return problem;
  if (!size) return CUDA_ERROR_INVALID_VALUE;
  *address = aligned_alloc(kPage, pages(size));
  memset(*address, kFreshPinned, size);
  Lock lock(table_mutex);
  pinned()[static_cast<char*>(*address)] = {size, flags, false};
  count("pinned_allocations");
  return CUDA_SUCCESS;
}

API cuMemAllocHost(void** address, size_t size) { return cuMemHostAlloc(address, size, 0); }

API cuMemFreeHost(void* address) {
  CURRENT(context)
  wait_for_all(context);
  Lock lock(table_mutex);
  auto found = pinned().find(static_cast<char*>(address));
  if (found == pinned().end() || found->second.registered) return CUDA_ERROR_INVALID_VALUE;
  memset(address, kFreed, found->second.size);
  pinned().erase(found);
  free(address);
  count("pinned_allocations", -1);
  return CUDA_SUCCESS;
}

API cuMemHostRegister(void* address, size_t size, unsigned flags) {
  CURRENT(context)
  Lock lock(table_mutex);
  bool mapped = flags & CU_MEMHOSTREGISTER_DEVICEMAP;
  unsigned kept = mapped ? CU_MEMHOSTALLOC_DEVICEMAP : 0;
  if (!pinned().insert({static_cast<char*>(address), {size, kept, true}}).second) {
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  }
  count("pinned_allocations");
  return CUDA_SUCCESS;
}

API cuMemHostUnregister(void* address) {
  CURRENT(context)
  wait_for_all(context);
  Lock lock(table_mutex);
  auto found = pinned().find(static_cast<char*>(address));
  if (found == pinned().end() || !found->second.registered) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  pinned().erase(found);
  count("pinned_allocations", -1);
  return CUDA_SUCCESS;
}

API cuMemHostGetFlags(unsigned* flags, void* address) {
  Lock lock(table_mutex);
  auto found = pinned_around(address, 0);
  if (found == pinned().end()) return CUDA_ERROR_INVALID_VALUE;
  *flags = found->second.flags;
  return CUDA_SUCCESS;
}

API cuMemHostGetDevicePointer(CUdeviceptr* device, void* address, unsigned) {
  CURRENT(context)
  Lock lock(table_mutex);
  auto found = pinned_around(address, 0);
  if (found == pinned().end() || !(found->second.flags & CU_MEMHOSTALLOC_DEVICEMAP)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *device = reinterpret_cast<CUdeviceptr>(address);
  return CUDA_SUCCESS;
}

API cuMemGetAddressRange(CUdeviceptr* base, size_t* size, CUdeviceptr address) {
  CURRENT(context)
  Lock lock(table_mutex);
  auto found = block_around(address, 1);
  if (found == blocks().end()) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = found->first;
  if (size) *size = found->second.size;
  return CUDA_SUCCESS;
}

API cuIpcGetMemHandle(CUipcMemHandle* handle, CUdeviceptr address) {
  CURRENT(context)
  Lock lock(table_mutex);
  auto found = block_around(address, 1);
  if (found == blocks().end() || found->second.foreign) return CUDA_ERROR_INVALID_VALUE;
  Block& block = found->second;
  if (block.file < 0) {  // from now on where others can reach it
    block.file = memfd_create("fakecuda", MFD_CLOEXEC);
    if (block.file < 0 || ftruncate(block.file, block.size)) return CUDA_ERROR_OUT_OF_MEMORY;
    void* place = mmap(nullptr, block.size, PROT_READ | PROT_WRITE, MAP_SHARED, block.file, 0);
    memcpy(place, block.bytes, block.size);
    free(block.bytes);
    block.bytes = static_cast<char*>(place);
  }
  Handle made{{}, getpid(), block.file, block.device, block.size};
  memcpy(made.magic, kMagic, sizeof kMagic);
  memset(handle, 0, sizeof *handle);
  memcpy(handle, &made, sizeof made);
  return CUDA_SUCCESS;
}

API cuIpcOpenMemHandle(CUdeviceptr* address, CUipcMemHandle given, unsigned flags) {
  CURRENT(context)
  Handle handle;
  memcpy(&handle, &given, sizeof handle);
  if (flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
  if (memcmp(handle.magic, kMagic, sizeof kMagic)) return CUDA_ERROR_INVALID_VALUE;
  if (handle.process == getpid()) return CUDA_ERROR_INVALID_CONTEXT;  // as NVIDIA's
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", handle.process, handle.file);
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return CUDA_ERROR_INVALID_VALUE;
  void* bytes = mmap(nullptr, handle.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  int nowhere = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* place = mmap(nullptr, pages(handle.size), PROT_NONE, nowhere, -1, 0);
  Lock lock(table_mutex);
  *address = reinterpret_cast<CUdeviceptr>(place);
  blocks()[*address] = {handle.size, handle.device, static_cast<char*>(bytes), file, true};
  used()[handle.device] += handle.size;
  count("device_allocations");
  count("device_bytes", handle.size);
  return CUDA_SUCCESS;
}

API cuIpcCloseMemHandle(CUdeviceptr address) {
  CURRENT(context)
  wait_for_all(context);
  Lock lock(table_mutex);
  auto found = blocks().find(address);
  if (found == blocks().end() || !found->second.foreign) return CUDA_ERROR_INVALID_VALUE;
  Block block = found->second;
  blocks().erase(found);
  munmap(block.bytes, block.size);
  close(block.file);
  used()[block.device] -= block.size;
  count("device_allocations", -1);
  count("device_bytes", -static_cast<long>(block.size));
  return CUDA_SUCCESS;
}
