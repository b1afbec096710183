// Copyright 2026 triton_ros contributors
// SPDX-License-Identifier: Apache-2.0
// What a test turns and reads: knobs (also FAKECUDA_<NAME> in the environment), counters,
// violations, and what the fake TensorRT needs to be a kernel.
#include "state.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>

namespace fake {

namespace {

std::mutex book_mutex;
std::map<std::string, long>& counters() {
  static auto* all = new std::map<std::string, long>;
  return *all;
}
std::vector<std::string>& violations() {
  static auto* all = new std::vector<std::string>;
  return *all;
}
std::atomic<bool> has_faulted{false};

std::atomic<long>* knob(Knobs& all, const std::string& name) {
  if (name == "delay_us") return &all.delay_us;
  if (name == "integrated") return &all.integrated;
  if (name == "memory") return &all.memory;
  if (name == "init_error") return &all.init_error;
  if (name == "devices") return &all.devices;
  if (name == "dla_cores") return &all.dla_cores;
  return nullptr;
}

void read_environment(Knobs& all) {
  for (const char* name :
       {"delay_us", "integrated", "memory", "init_error", "devices", "dla_cores"}) {
    std::string variable = std::string("FAKECUDA_") + name;
    std::transform(variable.begin(), variable.end(), variable.begin(), ::toupper);
    if (const char* text = getenv(variable.c_str())) *knob(all, name) = atol(text);
  }
}

using HasLock = int (*)();
using Save = void* (*)();
using Restore = void (*)(void*);

}  // namespace

Knobs& knobs() {
  static Knobs* all = [] {
    auto* made = new Knobs;
    read_environment(*made);
    return made;
  }();
  return *all;
}

void count(const char* what, long change) {
  std::lock_guard<std::mutex> lock(book_mutex);
  counters()[what] += change;
}

void violation(const std::string& what) {
  std::lock_guard<std::mutex> lock(book_mutex);
  violations().push_back(what);
}

void fault() { has_faulted = true; }

CUresult faulted() { return has_faulted ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS; }

WithoutPython::WithoutPython() {
  static auto has = reinterpret_cast<HasLock>(dlsym(RTLD_DEFAULT, "PyGILState_Check"));
  static auto save = reinterpret_cast<Save>(dlsym(RTLD_DEFAULT, "PyEval_SaveThread"));
  if (has && save && has()) saved_ = save();
}

WithoutPython::~WithoutPython() {
  static auto restore = reinterpret_cast<Restore>(dlsym(RTLD_DEFAULT, "PyEval_RestoreThread"));
  if (saved_) restore(saved_);
}

}  // namespace fake

extern "C" int fakecuda_set(const char* name, long value) {
  std::atomic<long>* found = fake::knob(fake::knobs(), name);
  if (!found) return 0;
  *found = value;
  return 1;
}

extern "C" long fakecuda_get(const char* name) {
  std::atomic<long>* found = fake::knob(fake::knobs(), name);
  return found ? found->load() : -1;
}

extern "C" long fakecuda_count(const char* name) {
  std::lock_guard<std::mutex> lock(fake::book_mutex);
  auto found = fake::counters().find(name);
  return found == fake::counters().end() ? 0 : found->second;
}

extern "C" void fakecuda_add(const char* name, long change) { fake::count(name, change); }

extern "C" void fakecuda_violation(const char* what) { fake::violation(what); }

// The `index`th violation, or null after the last.  Good until the next `fakecuda_reset`.
extern "C" const char* fakecuda_violations(size_t index) {
  std::lock_guard<std::mutex> lock(fake::book_mutex);
  static auto* given = new std::deque<std::string>;
  if (index >= fake::violations().size()) return nullptr;
  given->push_back(fake::violations()[index]);
  return given->back().c_str();
}

extern "C" void fakecuda_fault(const char* what) {
  fake::violation(what);
  fake::fault();
}

extern "C" int fakecuda_faulted() { return fake::faulted() != CUDA_SUCCESS; }

// Forget the fault and the violations: the next test starts with a healthy device.
extern "C" void fakecuda_reset() {
  if (fake::has_faulted) fake::forget_device_memory();
  std::lock_guard<std::mutex> lock(fake::book_mutex);
  fake::violations().clear();
  fake::has_faulted = false;
}

extern "C" void* fakecuda_bytes(CUdeviceptr address, size_t size) {
  return fake::bytes_at(address, size);
}

extern "C" int fakecuda_device_of(CUdeviceptr address) { return fake::device_of(address); }
