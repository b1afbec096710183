// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Copies.  Pinned memory is read and written when the stream gets there; pageable memory is staged
// on the way in and waited for on the way out, as "API synchronization behavior" of the driver API
// manual has it: an asynchronous copy of pageable memory is none.
#include "state.h"

#include <cstring>

namespace fake {

namespace {

// Copies to the device take longer than executions, so who does not wait for them reads old bytes.
constexpr int kSlow = 3;

void to_device(CUdeviceptr device, const char* host, size_t size) {
  if (char* bytes = bytes_at(device, size)) {
    memcpy(bytes, host, size);
    return;
  }
  violation("a copy wrote device memory that was freed meanwhile");
  fault();
}

void to_host(char* host, CUdeviceptr device, size_t size) {
  if (const char* bytes = bytes_at(device, size)) {
    memcpy(host, bytes, size);
    return;
  }
  violation("a copy read device memory that was freed meanwhile");
  fault();
}

}  // namespace

}  // namespace fake

using namespace fake;

API cuMemcpyHtoDAsync(CUdeviceptr device, const void* host, size_t size, CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes_at(device, size) || !host) return CUDA_ERROR_INVALID_VALUE;
  auto* from = static_cast<const char*>(host);
  count("copies_to_device");
  if (is_pinned(host, size) || stream->capturing) {
    stream->put([=] { to_device(device, from, size); }, kSlow);
    return CUDA_SUCCESS;
  }
  count("pageable_copies");
  auto staged = std::make_shared<std::vector<char>>(from, from + size);
  stream->put([=] { to_device(device, staged->data(), size); }, kSlow);
  return CUDA_SUCCESS;
}

API cuMemcpyDtoHAsync(void* host, CUdeviceptr device, size_t size, CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes_at(device, size) || !host) return CUDA_ERROR_INVALID_VALUE;
  count("copies_to_host");
  stream->put([=] { to_host(static_cast<char*>(host), device, size); });
  if (stream->capturing || is_pinned(host, size)) return CUDA_SUCCESS;
  count("pageable_copies");
  stream->synchronize();
  return faulted();
}

API cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes_at(to, size) || !bytes_at(from, size)) return CUDA_ERROR_INVALID_VALUE;
  stream->put([=] {
    std::vector<char> between(size);
    to_host(between.data(), from, size);
    if (!faulted()) to_device(to, between.data(), size);
  });
  return CUDA_SUCCESS;
}

API cuMemcpyHtoD(CUdeviceptr device, const void* host, size_t size) {
  CUresult result = cuMemcpyHtoDAsync(device, host, size, nullptr);
  return result ? result : cuStreamSynchronize(nullptr);
}

API cuMemcpyDtoH(void* host, CUdeviceptr device, size_t size) {
  CUresult result = cuMemcpyDtoHAsync(host, device, size, nullptr);
  return result ? result : cuStreamSynchronize(nullptr);
}

API cuMemsetD8Async(CUdeviceptr device, unsigned char value, size_t size, CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!bytes_at(device, size)) return CUDA_ERROR_INVALID_VALUE;
  stream->put([=] { to_device(device, std::string(size, value).data(), size); });
  return CUDA_SUCCESS;
}
