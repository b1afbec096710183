// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Names: of errors, and of functions for those who ask cuGetProcAddress instead of the linker.
#include "state.h"

#include <dlfcn.h>

#include <map>

namespace {

struct Words {
  const char* name;
  const char* text;
};

const std::map<CUresult, Words>& words() {
  static const auto* all = new std::map<CUresult, Words>{
      {CUDA_SUCCESS, {"CUDA_SUCCESS", "no error"}},
      {CUDA_ERROR_INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
      {CUDA_ERROR_OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
      {CUDA_ERROR_NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
      {CUDA_ERROR_NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
      {CUDA_ERROR_INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
      {CUDA_ERROR_INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
      {CUDA_ERROR_INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
      {CUDA_ERROR_NOT_READY, {"CUDA_ERROR_NOT_READY", "device not ready"}},
      {CUDA_ERROR_ILLEGAL_ADDRESS,
       {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
      {CUDA_ERROR_CONTEXT_IS_DESTROYED,
       {"CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"}},
      {CUDA_ERROR_NOT_SUPPORTED, {"CUDA_ERROR_NOT_SUPPORTED", "operation not supported"}},
      {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
       {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "system has unsupported display driver / cuda driver combination"}},
      {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
       {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
        "operation not permitted when stream is capturing"}},
      {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
       {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
        "operation failed due to a previous error during capture"}},
  };
  return *all;
}

}  // namespace

extern "C" CUresult fakecuda_not_supported();  // every function of cuda.h that is not ours

API cuGetErrorString(CUresult error, const char** text) {
  auto found = words().find(error);
  *text = found == words().end() ? "an error that the fake has no words for" : found->second.text;
  return CUDA_SUCCESS;
}

API cuGetErrorName(CUresult error, const char** name) {
  auto found = words().find(error);
  *name = found == words().end() ? "CUDA_ERROR_OTHER" : found->second.name;
  return CUDA_SUCCESS;
}

#undef cuGetProcAddress

// The newest version of the function that is more than an answer of "not supported".
API cuGetProcAddress_v2(const char* name, void** function, int, cuuint64_t,
                        CUdriverProcAddressQueryResult* result) {
  static void* self = [] {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&cuGetProcAddress_v2), &info);
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  *function = nullptr;
  for (const char* suffix : {"WithFlags", "_v4", "_v3", "_v2", ""}) {
    void* found = dlsym(self, (std::string(name) + suffix).c_str());
    if (!found) continue;
    if (!*function) *function = found;
    if (found == reinterpret_cast<void*>(&fakecuda_not_supported)) continue;
    *function = found;
    break;
  }
  if (result) {
    *result = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  }
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

extern "C" CUresult cuGetProcAddress(const char* name, void** function, int version,
                                     cuuint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}
