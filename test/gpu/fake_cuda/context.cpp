// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Start-up, devices, and the stack of current contexts that every thread has of its own.
#include "state.h"

#include <cstdio>
#include <map>
#include <set>

namespace fake {

std::recursive_mutex table_mutex;

namespace {

std::atomic<bool> ready{false};
std::set<Context*>& contexts() {
  static auto* all = new std::set<Context*>;
  return *all;
}
std::map<int, Context*>& primaries() {
  static auto* all = new std::map<int, Context*>;
  return *all;
}

// pycuda aborts the process for it, and a leaked push keeps a context current for a stranger's work.
struct Stack {
  std::vector<Context*> contexts;
  ~Stack() {
    if (!contexts.empty()) violation("a thread ended with a CUDA context pushed");
  }
};
thread_local Stack stack;

Context* make_context(int device, bool primary) {
  auto* made = new Context{device, primary, 0, nullptr};
  contexts().insert(made);
  count("contexts");
  return made;
}

void destroy(Context* context) {
  destroy_streams(context);
  contexts().erase(context);  // never deleted: a stale handle must be recognised, not crash
  count("contexts", -1);
}

bool valid(CUdevice device) { return device >= 0 && device < knobs().devices; }

}  // namespace

bool initialized() { return ready; }

CUresult current(Context** context) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (stack.contexts.empty() || !stack.contexts.back()) return CUDA_ERROR_INVALID_CONTEXT;
  Lock lock(table_mutex);
  if (!contexts().count(stack.contexts.back())) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  *context = stack.contexts.back();
  return faulted();
}

}  // namespace fake

using namespace fake;

API cuInit(unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (long error = knobs().init_error) return static_cast<CUresult>(error);
  if (!knobs().devices) return CUDA_ERROR_NO_DEVICE;
  ready = true;
  return CUDA_SUCCESS;
}

API cuDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

API cuDeviceGetCount(int* number) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  *number = static_cast<int>(knobs().devices);
  return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice* device, int ordinal) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!valid(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

API cuDeviceGetName(char* name, int length, CUdevice device) {
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(name, length, "Fake GPU (host memory)");
  return CUDA_SUCCESS;
}

API cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = knobs().memory;
  return CUDA_SUCCESS;
}

API cuDeviceGetPCIBusId(char* id, int length, CUdevice device) {
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(id, length, "0000:%02x:00.0", device + 1);
  return CUDA_SUCCESS;
}

API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = 8;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = 7;
      break;
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
      *value = static_cast<int>(knobs().integrated);
      break;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = 1;
      break;
    default:
      *value = 0;
  }
  return CUDA_SUCCESS;
}

API cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  *major = 8;
  *minor = 7;
  return CUDA_SUCCESS;
}

static CUresult create(CUcontext* context, CUdevice device) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  Lock lock(table_mutex);
  auto* made = make_context(device, false);
  stack.contexts.push_back(made);
  *context = reinterpret_cast<CUcontext>(made);
  return CUDA_SUCCESS;
}

#if CUDA_VERSION >= 13000
API cuCtxCreate(CUcontext* context, CUctxCreateParams*, unsigned, CUdevice device) {
#else
API cuCtxCreate(CUcontext* context, unsigned, CUdevice device) {
#endif
  return create(context, device);
}

API cuCtxDestroy(CUcontext handle) {
  auto* context = reinterpret_cast<Context*>(handle);
  Lock lock(table_mutex);
  if (!contexts().count(context) || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
  if (!stack.contexts.empty() && stack.contexts.back() == context) stack.contexts.pop_back();
  destroy(context);
  return CUDA_SUCCESS;
}

extern "C" CUresult cuCtxDetach(CUcontext handle) { return cuCtxDestroy(handle); }

API cuCtxPushCurrent(CUcontext handle) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  Lock lock(table_mutex);
  auto* context = reinterpret_cast<Context*>(handle);
  if (!contexts().count(context)) return CUDA_ERROR_INVALID_CONTEXT;
  stack.contexts.push_back(context);
  return CUDA_SUCCESS;
}

API cuCtxPopCurrent(CUcontext* handle) {
  if (stack.contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (handle) *handle = reinterpret_cast<CUcontext>(stack.contexts.back());
  stack.contexts.pop_back();
  return CUDA_SUCCESS;
}

API cuCtxSetCurrent(CUcontext handle) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  Lock lock(table_mutex);
  auto* context = reinterpret_cast<Context*>(handle);
  if (context && !contexts().count(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!stack.contexts.empty()) stack.contexts.pop_back();
  if (context) stack.contexts.push_back(context);
  return CUDA_SUCCESS;
}

API cuCtxGetCurrent(CUcontext* handle) {
  *handle = stack.contexts.empty() ? nullptr : reinterpret_cast<CUcontext>(stack.contexts.back());
  return CUDA_SUCCESS;
}

API cuCtxGetDevice(CUdevice* device) {
  CURRENT(context)
  *device = context->device;
  return CUDA_SUCCESS;
}

API cuCtxGetApiVersion(CUcontext, unsigned* version) {
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

API cuCtxSynchronize() {
  CURRENT(context)
  if (CUresult problem = forbid_in_capture()) return problem;
  for (auto& stream : streams_of(context)) stream->synchronize();
  return faulted();
}

API cuDevicePrimaryCtxRetain(CUcontext* handle, CUdevice device) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  Lock lock(table_mutex);
  Context*& context = primaries()[device];
  if (!context) context = make_context(device, true);
  context->references++;
  count("primary_references");
  *handle = reinterpret_cast<CUcontext>(context);
  return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease(CUdevice device) {
  Lock lock(table_mutex);
  Context*& context = primaries()[device];
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  count("primary_references", -1);
  if (--context->references == 0) {
    destroy(context);
    context = nullptr;
  }
  return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  Lock lock(table_mutex);
  *flags = 0;
  *active = primaries()[device] != nullptr;
  return CUDA_SUCCESS;
}
