// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Streams and events.  A stream that is captured remembers its work instead of doing it.
#include "state.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace fake {

namespace {

std::map<Stream*, std::shared_ptr<Stream>>& streams() {
  static auto* all = new std::map<Stream*, std::shared_ptr<Stream>>;
  return *all;
}
std::map<Event*, std::shared_ptr<Event>>& events() {
  static auto* all = new std::map<Event*, std::shared_ptr<Event>>;
  return *all;
}

std::shared_ptr<Event> find(CUevent handle) {
  Lock lock(table_mutex);
  auto found = events().find(reinterpret_cast<Event*>(handle));
  return found == events().end() ? nullptr : found->second;
}

double now() {
  auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

}  // namespace

Stream::Stream(Context* owner) : context(owner), thread_([this] { loop(); }) {}

Stream::~Stream() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  WithoutPython without;
  thread_.join();
}

void Stream::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto [work, slow] = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    if (long delay = knobs().delay_us) usleep(delay * slow);
    if (!faulted()) work();
    work = nullptr;
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void Stream::put(Work work, int slow) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (capturing) {
    captured.push_back(std::move(work));
    return;
  }
  queue_.emplace_back(std::move(work), slow);
  changed_.notify_all();
}

void Stream::synchronize() {
  WithoutPython without;
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

bool Stream::idle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return queue_.empty() && !busy_;
}

std::shared_ptr<Stream> find(CUstream handle, Context* context) {
  Lock lock(table_mutex);
  if (!handle || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD) {
    if (!context->default_stream) context->default_stream = std::make_shared<Stream>(context);
    return context->default_stream;
  }
  auto found = streams().find(reinterpret_cast<Stream*>(handle));
  if (found == streams().end() || found->second->context != context) return nullptr;
  return found->second;
}

std::vector<std::shared_ptr<Stream>> streams_of(Context* context) {
  Lock lock(table_mutex);
  std::vector<std::shared_ptr<Stream>> all;
  if (context->default_stream) all.push_back(context->default_stream);
  for (auto& [key, stream] : streams()) {
    if (stream->context == context) all.push_back(stream);
  }
  return all;
}

// The driver takes them along without a word; for a server, they are a leak.
void destroy_streams(Context* context) {
  size_t lost = 0;
  for (auto& stream : streams_of(context)) lost += streams().erase(stream.get());
  count("streams", -static_cast<long>(lost));
  context->default_stream = nullptr;
  size_t lost_events = 0;
  for (auto event = events().begin(); event != events().end();) {
    bool ours = event->second->context == context;
    lost_events += ours;
    event = ours ? events().erase(event) : std::next(event);
  }
  count("events", -static_cast<long>(lost_events));
  if (lost || lost_events) {
    violation("left behind: a context was destroyed with " + std::to_string(lost) +
              " streams and " + std::to_string(lost_events) + " events");
  }
}

// cuda.h, CUstreamCaptureMode: GLOBAL forbids unsafe calls to all threads, THREAD_LOCAL to the
// capturing one, RELAXED to none.
CUresult forbid_in_capture() {
  Lock lock(table_mutex);
  for (auto& [key, stream] : streams()) {
    if (!stream->capturing || stream->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
    bool ours = stream->capturer == std::this_thread::get_id();
    if (stream->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && !ours) continue;
    stream->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return CUDA_SUCCESS;
}

}  // namespace fake

using namespace fake;

API cuStreamCreate(CUstream* handle, unsigned) {
  CURRENT(context)
  auto made = std::make_shared<Stream>(context);
  Lock lock(table_mutex);
  streams()[made.get()] = made;
  count("streams");
  *handle = reinterpret_cast<CUstream>(made.get());
  return CUDA_SUCCESS;
}

API cuStreamCreateWithPriority(CUstream* handle, unsigned flags, int) {
  return cuStreamCreate(handle, flags);
}

API cuStreamDestroy(CUstream handle) {
  std::shared_ptr<Stream> kept;
  {
    Lock lock(table_mutex);
    auto found = streams().find(reinterpret_cast<Stream*>(handle));
    if (found == streams().end()) return CUDA_ERROR_INVALID_HANDLE;
    kept = found->second;
    streams().erase(found);
  }
  count("streams", -1);
  kept->synchronize();
  return CUDA_SUCCESS;
}

API cuStreamSynchronize(CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capturing) {
    stream->spoilt = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  stream->synchronize();
  return faulted();
}

API cuStreamQuery(CUstream handle) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  return stream->idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API cuLaunchHostFunc(CUstream handle, CUhostFn function, void* argument) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  count("host_functions");
  stream->put([=] { function(argument); });
  return CUDA_SUCCESS;
}

API cuEventCreate(CUevent* handle, unsigned) {
  CURRENT(context)
  auto made = std::make_shared<Event>(context);
  Lock lock(table_mutex);
  events()[made.get()] = made;
  count("events");
  *handle = reinterpret_cast<CUevent>(made.get());
  return CUDA_SUCCESS;
}

API cuEventDestroy(CUevent handle) {
  Lock lock(table_mutex);
  if (!events().erase(reinterpret_cast<Event*>(handle))) return CUDA_ERROR_INVALID_HANDLE;
  count("events", -1);
  return CUDA_SUCCESS;
}

API cuEventRecord(CUevent handle, CUstream stream_handle) {
  CURRENT(context)
  auto stream = find(stream_handle, context);
  auto event = find(handle);
  if (!stream || !event || event->context != context) return CUDA_ERROR_INVALID_HANDLE;
  std::lock_guard<std::mutex> lock(event->mutex);
  uint64_t turn = ++event->wanted;
  stream->put([event, turn] {
    std::lock_guard<std::mutex> held(event->mutex);
    event->done = std::max(event->done, turn);
    event->milliseconds = now();
    event->changed.notify_all();
  });
  return CUDA_SUCCESS;
}

API cuEventSynchronize(CUevent handle) {
  CURRENT(context)
  auto event = find(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  WithoutPython without;
  std::unique_lock<std::mutex> lock(event->mutex);
  while (event->done < event->wanted && !faulted()) {
    event->changed.wait_for(lock, std::chrono::milliseconds(50));  // a fault wakes nobody
  }
  return faulted();
}

API cuEventQuery(CUevent handle) {
  CURRENT(context)
  auto event = find(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  std::lock_guard<std::mutex> lock(event->mutex);
  return event->done >= event->wanted ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  auto first = find(start);
  auto second = find(end);
  if (!first || !second) return CUDA_ERROR_INVALID_HANDLE;
  if (cuEventQuery(start) || cuEventQuery(end)) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(second->milliseconds - first->milliseconds);
  return CUDA_SUCCESS;
}

API cuStreamWaitEvent(CUstream stream_handle, CUevent handle, unsigned) {
  CURRENT(context)
  auto stream = find(stream_handle, context);
  auto event = find(handle);
  if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
  std::lock_guard<std::mutex> lock(event->mutex);
  uint64_t turn = event->wanted;
  stream->put([event, turn] {
    std::unique_lock<std::mutex> held(event->mutex);
    while (event->done < turn && !faulted()) {
      event->changed.wait_for(held, std::chrono::milliseconds(50));
    }
  });
  return CUDA_SUCCESS;
}

API cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode mode) {
  CURRENT(context)
  if (!handle || handle == CU_STREAM_LEGACY) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capturing) return CUDA_ERROR_ILLEGAL_STATE;
  stream->synchronize();
  stream->captured.clear();
  stream->spoilt = false;
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  stream->capturing = true;
  return CUDA_SUCCESS;
}

API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  CURRENT(context)
  auto stream = find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  *status = !stream->capturing ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream->spoilt   ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                               : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}
