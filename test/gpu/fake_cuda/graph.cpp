// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Graphs: the work of a captured stream, with the addresses it had when it was captured.
#include "state.h"

#include <set>

namespace {

struct Graph {
  std::vector<fake::Work> work;
};

std::set<Graph*>& graphs() {
  static auto* all = new std::set<Graph*>;
  return *all;
}
std::set<Graph*>& executables() {
  static auto* all = new std::set<Graph*>;
  return *all;
}

CUresult drop(std::set<Graph*>& from, void* handle, const char* counter) {
  fake::Lock lock(fake::table_mutex);
  auto* graph = static_cast<Graph*>(handle);
  if (!from.erase(graph)) return CUDA_ERROR_INVALID_VALUE;
  delete graph;
  fake::count(counter, -1);
  return CUDA_SUCCESS;
}

}  // namespace

API cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  CURRENT(context)
  auto stream = fake::find(handle, context);
  if (!stream || !stream->capturing) return CUDA_ERROR_ILLEGAL_STATE;
  *graph = nullptr;
  stream->capturing = false;
  if (stream->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      stream->capturer != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  if (stream->spoilt) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  fake::Lock lock(fake::table_mutex);
  auto* made = new Graph{std::move(stream->captured)};
  stream->captured.clear();
  graphs().insert(made);
  fake::count("graphs");
  *graph = reinterpret_cast<CUgraph>(made);
  return CUDA_SUCCESS;
}

API cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  CURRENT(context)
  fake::Lock lock(fake::table_mutex);
  auto* from = reinterpret_cast<Graph*>(graph);
  if (!graphs().count(from)) return CUDA_ERROR_INVALID_VALUE;
  auto* made = new Graph(*from);
  executables().insert(made);
  fake::count("graph_executables");
  *executable = reinterpret_cast<CUgraphExec>(made);
  return CUDA_SUCCESS;
}

API cuGraphLaunch(CUgraphExec executable, CUstream handle) {
  CURRENT(context)
  auto stream = fake::find(handle, context);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  fake::Lock lock(fake::table_mutex);
  auto* graph = reinterpret_cast<Graph*>(executable);
  if (!executables().count(graph)) return CUDA_ERROR_INVALID_VALUE;
  fake::count("graph_launches");
  for (auto& work : graph->work) stream->put(work);
  return CUDA_SUCCESS;
}

API cuGraphDestroy(CUgraph graph) { return drop(graphs(), graph, "graphs"); }

API cuGraphExecDestroy(CUgraphExec executable) {
  return drop(executables(), executable, "graph_executables");
}
