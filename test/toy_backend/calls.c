/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The toy that calls another model, on the thread that executes, and waits for the answer.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toy.h"

typedef struct waiting {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  TRITONSERVER_InferenceResponse *responses[64];
  int count, final, released;
} waiting;

static TRITONSERVER_Error *allocate(
    TRITONSERVER_ResponseAllocator *allocator, const char *name, size_t bytes,
    TRITONSERVER_MemoryType memory, int64_t device, void *userp, void **buffer, void **buffer_userp,
    TRITONSERVER_MemoryType *actual_memory, int64_t *actual_device)
{
  (void)allocator;
  (void)userp;
  (void)memory;
  (void)device;
  *buffer = malloc(bytes ? bytes : 1);
  *buffer_userp = NULL;
  *actual_memory = TRITONSERVER_MEMORY_CPU;
  *actual_device = 0;
  return strcmp(name, "refused") == 0 ? failed(TRITONSERVER_ERROR_UNAVAILABLE, "no memory") : NULL;
}

static TRITONSERVER_Error *give_back(
    TRITONSERVER_ResponseAllocator *allocator, void *buffer, void *userp, size_t bytes,
    TRITONSERVER_MemoryType memory, int64_t device)
{
  (void)allocator;
  (void)userp;
  (void)bytes;
  (void)memory;
  (void)device;
  free(buffer);
  return NULL;
}

static void answered(TRITONSERVER_InferenceResponse *response, const uint32_t flags, void *userp)
{
  waiting *wait = userp;
  pthread_mutex_lock(&wait->lock);
  if (response != NULL && wait->count < 64) {
    wait->responses[wait->count++] = response;
  }
  wait->final |= flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL;
  pthread_cond_signal(&wait->changed);
  pthread_mutex_unlock(&wait->lock);
}

static void released(TRITONSERVER_InferenceRequest *request, const uint32_t flags, void *userp)
{
  waiting *wait = userp;
  (void)flags;
  TRITONSERVER_InferenceRequestDelete(request);
  pthread_mutex_lock(&wait->lock);
  wait->released = 1;
  pthread_cond_signal(&wait->changed);
  pthread_mutex_unlock(&wait->lock);
}

/* The first response's first output is y; "count" says how many responses there were. */
static TRITONSERVER_Error *hand_on(const waiting *wait, TRITONBACKEND_Response *response)
{
  const char *name;
  TRITONSERVER_DataType type;
  TRITONSERVER_MemoryType memory;
  const int64_t *shape;
  const void *base;
  uint64_t rank;
  int64_t device;
  size_t bytes;
  void *userp;
  TRITONSERVER_Error *error = TRITONSERVER_InferenceResponseError(wait->responses[0]);
  if (error != NULL) {
    return failed(TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error));
  }
  error = TRITONSERVER_InferenceResponseOutput(
      wait->responses[0], 0, &name, &type, &shape, &rank, &base, &bytes, &memory, &device, &userp);
  if (error == NULL) {
    memcpy(write_output(response, "y", type, shape, (uint32_t)rank, bytes), base, bytes);
    TRITONBACKEND_ResponseSetIntParameter(response, "count", wait->count);
  }
  return error;
}

static TRITONSERVER_Error *ask(
    TRITONSERVER_Server *server, const char *other, const tensor *x,
    TRITONSERVER_ResponseAllocator *allocator, waiting *wait)
{
  TRITONSERVER_InferenceRequest *called;
  TRITONSERVER_InferenceRequestNew(&called, server, other, -1);
  TRITONSERVER_InferenceRequestSetId(called, "from C");
  TRITONSERVER_InferenceRequestAddInput(called, "x", x->type, x->shape, x->rank);
  uint64_t half = x->bytes / 2; /* in two pieces */
  TRITONSERVER_InferenceRequestAppendInputData(
      called, "x", x->data, half, TRITONSERVER_MEMORY_CPU, 0);
  TRITONSERVER_InferenceRequestAppendInputData(
      called, "x", (const char *)x->data + half, x->bytes - half, TRITONSERVER_MEMORY_CPU, 0);
  TRITONSERVER_InferenceRequestSetReleaseCallback(called, released, wait);
  TRITONSERVER_InferenceRequestSetResponseCallback(called, allocator, NULL, answered, wait);
  TRITONSERVER_Error *error = TRITONSERVER_ServerInferAsync(server, called, NULL);
  if (error != NULL) {
    TRITONSERVER_InferenceRequestDelete(called);
  }
  return error;
}

TRITONSERVER_Error *call(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request *request,
    TRITONBACKEND_Response *response)
{
  waiting wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {NULL}, 0, 0, 0};
  const char *other = toy_of(instance)->other;
  TRITONBACKEND_Model *model;
  TRITONSERVER_Server *server;
  TRITONSERVER_ResponseAllocator *allocator;
  uint32_t flags;
  bool ready;
  tensor x;
  TRITONBACKEND_ModelInstanceModel(instance, &model);
  TRITONBACKEND_ModelServer(model, &server);
  TRITONSERVER_Error *error = TRITONSERVER_ServerModelIsReady(server, other, -1, &ready);
  if (error == NULL && !ready) {
    error = failed(TRITONSERVER_ERROR_UNAVAILABLE, "the other model is not ready");
  }
  error = error != NULL ? error
                        : TRITONSERVER_ServerModelTransactionProperties(
                              server, other, -1, &flags, NULL);
  error = error != NULL ? error : read_input(request, 0, &x);
  if (error != NULL) {
    return error;
  }
  TRITONBACKEND_ResponseSetIntParameter(response, "flags", (int64_t)flags);
  TRITONSERVER_ResponseAllocatorNew(&allocator, allocate, give_back, NULL);
  error = ask(server, other, &x, allocator, &wait);
  if (error == NULL) {
    pthread_mutex_lock(&wait.lock);
    while (!wait.final || !wait.released) {
      pthread_cond_wait(&wait.changed, &wait.lock);
    }
    pthread_mutex_unlock(&wait.lock);
    error = hand_on(&wait, response);
  }
  for (int i = 0; i < wait.count; i++) {
    TRITONSERVER_ErrorDelete(TRITONSERVER_InferenceResponseDelete(wait.responses[i]));
  }
  TRITONSERVER_ResponseAllocatorDelete(allocator);
  return error;
}
