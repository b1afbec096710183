/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The tests' backend.  The parameter "kind" says what it does with its inputs:
 *
 *   identity  y = x                     affine   y = scale * x + offset
 *   add_sub   OUTPUT0, OUTPUT1          gather   y = [10, 20, 30, 40][x], else the request fails
 *   slow      y = x after 0.15 s        refuse   the execution returns an error
 *   silent    releases without answer   twice    a response after the final one
 *   repeat    (decoupled) answers x[0] times from a thread of its own
 *   complete  sets inputs, outputs and max_batch_size itself
 *   facts     y = BYTES: what it is told of itself, its server and the request
 *   report    y = x; tells its times and memory
 *   meet      y is how many executions there are at once; waits `scale` seconds for two
 *   short     y's buffer is smaller than its shape says
 *   later     y = x from a thread of its own, after the execution returned
 *   watch     waits until the request is cancelled, then fails it
 *   call      y is what the model of the parameter "other" answers to x
 *   crash     y = x; writes to address 0 if x[0] is negative, hangs if it is 1000
 *   bad_model, bad_instance             initialize fails
 *   reschedule  the first execution of a sequence's request asks for another
 *   sum       keeps the sum of a sequence in the state "sum_out"
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "toy.h"

static int parameter(const char *json, const char *name, char *value, size_t size)
{
  char key[64];
  snprintf(key, sizeof(key), "\"%s\":{\"string_value\":\"", name);
  const char *at = strstr(json, key);
  if (at == NULL) {
    return 0;
  }
  at += strlen(key);
  size_t length = strcspn(at, "\"");
  snprintf(value, size, "%.*s", (int)length, at);
  return 1;
}

/* --- models ------------------------------------------------------------------------------------ */

static TRITONSERVER_Error *complete(TRITONBACKEND_Model *model)
{
  static const char config[] =
      "{\"max_batch_size\":16,"
      "\"input\":[{\"name\":\"x\",\"data_type\":\"TYPE_FP32\",\"dims\":[4]}],"
      "\"output\":[{\"name\":\"y\",\"data_type\":\"TYPE_FP32\",\"dims\":[4]}],"
      "\"dynamic_batching\":{\"max_queue_delay_microseconds\":7}}";
  bool wanted;
  TRITONBACKEND_ModelAutoCompleteConfig(model, &wanted);
  if (!wanted) {
    return NULL;
  }
  TRITONSERVER_Message *message;
  TRITONSERVER_MessageNewFromSerializedJson(&message, config, strlen(config));
  TRITONSERVER_Error *error = TRITONBACKEND_ModelSetConfig(model, 1, message);
  TRITONSERVER_MessageDelete(message);
  return error;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model *model)
{
  TRITONSERVER_Message *message;
  const char *json;
  char number[64];
  size_t size;
  toy *state = calloc(1, sizeof(*state));
  TRITONBACKEND_ModelConfig(model, 1, &message);
  TRITONSERVER_MessageSerializeToJson(message, &json, &size);
  parameter(json, "kind", state->kind, sizeof(state->kind));
  parameter(json, "other", state->other, sizeof(state->other));
  state->scale = parameter(json, "scale", number, sizeof(number)) ? atof(number) : 2.0;
  state->offset = parameter(json, "offset", number, sizeof(number)) ? atof(number) : 1.0;
  TRITONSERVER_MessageDelete(message);
  TRITONSERVER_Error *error = NULL;
  if (strcmp(state->kind, "bad_model") == 0) {
    error = failed(TRITONSERVER_ERROR_NOT_FOUND, "there is no such toy");
  } else if (strcmp(state->kind, "complete") == 0) {
    error = complete(model);
  } else if (strcmp(state->kind, "facts") == 0) {
    model_facts(model, state);
  }
  if (error != NULL) {
    free(state);
    return error;
  }
  return TRITONBACKEND_ModelSetState(model, state);
}

TRITONSERVER_Error *TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model *model)
{
  void *state;
  TRITONBACKEND_ModelState(model, &state);
  free(state);
  return NULL;
}

toy *toy_of(TRITONBACKEND_ModelInstance *instance)
{
  TRITONBACKEND_Model *model;
  void *state;
  TRITONBACKEND_ModelInstanceModel(instance, &model);
  TRITONBACKEND_ModelState(model, &state);
  return state;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance *instance)
{
  toy *state = toy_of(instance);
  if (strcmp(state->kind, "bad_instance") == 0) {
    return failed(TRITONSERVER_ERROR_UNAVAILABLE, "no room for an instance");
  }
  if (strcmp(state->kind, "report") == 0) {
    TRITONBACKEND_Model *model;
    TRITONSERVER_BufferAttributes *usage;
    TRITONBACKEND_ModelInstanceModel(instance, &model);
    TRITONSERVER_BufferAttributesNew(&usage);
    TRITONSERVER_BufferAttributesSetByteSize(usage, 12345);
    TRITONBACKEND_ModelReportMemoryUsage(model, &usage, 1);
    TRITONSERVER_BufferAttributesDelete(usage);
    TRITONSERVER_LogMessage(TRITONSERVER_LOG_WARN, "dir/toy_backend.c", 42, "a toy reports");
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReady(TRITONBACKEND_ModelInstance *instance)
{
  if (strcmp(toy_of(instance)->kind, "silent") == 0) {
    return failed(TRITONSERVER_ERROR_UNAVAILABLE, "a silent toy is never ready");
  }
  return NULL;
}

/* --- answers ----------------------------------------------------------------------------------- */

static void release(TRITONBACKEND_Request *request)
{
  TRITONSERVER_ErrorDelete(
      TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

static void *later(void *argument)
{
  TRITONBACKEND_Request *request = argument;
  TRITONBACKEND_Response *response;
  struct timespec pause = {0, 20000000};
  nanosleep(&pause, NULL);
  TRITONBACKEND_ResponseNew(&response, request);
  TRITONSERVER_ErrorDelete(copy(request, response, 0));
  TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(response, FINAL, NULL));
  release(request);
  return NULL;
}

/* Answers as often as x[0] says, then ends; a negative number ends in an error. */
static void *repeat(void *argument)
{
  TRITONBACKEND_ResponseFactory *factory = ((void **)argument)[0];
  float count = *(float *)((void **)argument + 1);
  int64_t shape[2] = {1, 1};
  for (int i = 0; i < count; i++) {
    TRITONBACKEND_Response *response;
    TRITONBACKEND_ResponseNewFromFactory(&response, factory);
    *(float *)write_output(response, "y", TRITONSERVER_TYPE_FP32, shape, 2, 4) = (float)i;
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(response, 0, NULL));
  }
  if (count < 0) {
    TRITONBACKEND_Response *response;
    TRITONSERVER_Error *error = failed(TRITONSERVER_ERROR_INVALID_ARG, "less than nothing");
    TRITONBACKEND_ResponseNewFromFactory(&response, factory);
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(response, FINAL, error));
    TRITONSERVER_ErrorDelete(error);
  } else {
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseFactorySendFlags(factory, FINAL));
  }
  TRITONBACKEND_ResponseFactoryDelete(factory);
  free(argument);
  return NULL;
}

static void in_thread(void *(*work)(void *), void *argument)
{
  pthread_t thread;
  pthread_create(&thread, NULL, work, argument);
  pthread_detach(thread);
}

static void start_repeat(TRITONBACKEND_Request *request)
{
  void **argument = calloc(2, sizeof(void *));
  tensor x;
  TRITONSERVER_ErrorDelete(read_input(request, 0, &x));
  TRITONBACKEND_ResponseFactoryNew((TRITONBACKEND_ResponseFactory **)argument, request);
  memcpy(argument + 1, x.data, sizeof(float));
  in_thread(repeat, argument);
  release(request);
}

/* Waits until there are two executions at once, but not for ever; how many there were. */
static float meet(double patience)
{
  static int executing = 0, most = 0;
  struct timespec pause = {0, 1000000};
  int now = __atomic_add_fetch(&executing, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < patience * 1000 && now < 2; i++) { /* the second one says so */
    nanosleep(&pause, NULL);
    now = __atomic_load_n(&most, __ATOMIC_SEQ_CST);
  }
  if (now > __atomic_load_n(&most, __ATOMIC_SEQ_CST)) {
    __atomic_store_n(&most, now, __ATOMIC_SEQ_CST);
  }
  __atomic_sub_fetch(&executing, 1, __ATOMIC_SEQ_CST);
  return (float)now;
}

static void answer(
    TRITONBACKEND_ModelInstance *instance, const toy *state, TRITONBACKEND_Request *request)
{
  TRITONBACKEND_Response *response;
  TRITONSERVER_Error *error = NULL;
  TRITONBACKEND_ResponseNew(&response, request);
  if (strcmp(state->kind, "affine") == 0) {
    affine(state, request, response);
  } else if (strcmp(state->kind, "add_sub") == 0) {
    add_sub(request, response);
  } else if (strcmp(state->kind, "gather") == 0) {
    error = gather(request, response);
  } else if (strcmp(state->kind, "facts") == 0) {
    answer_facts(instance, request, response);
  } else if (strcmp(state->kind, "meet") == 0) {
    int64_t shape[2] = {1, 1};
    float *y = write_output(response, "y", TRITONSERVER_TYPE_FP32, shape, 2, 4);
    *y = meet(state->scale);
  } else if (strcmp(state->kind, "call") == 0) {
    error = call(instance, request, response);
  } else if (strcmp(state->kind, "watch") == 0) {
    error = watch(request);
  } else if (strcmp(state->kind, "sum") == 0) {
    add_up(request, response);
  } else {
    error = copy(request, response, strcmp(state->kind, "short") == 0 ? 4 : 0);
  }
  TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(response, FINAL, error));
  if (strcmp(state->kind, "twice") == 0) {
    TRITONBACKEND_ResponseNew(&response, request);
    TRITONSERVER_Error *refused = TRITONBACKEND_ResponseSend(response, FINAL, NULL);
    if (refused != NULL) {
      TRITONSERVER_LogMessage(
          TRITONSERVER_LOG_ERROR, __FILE__, __LINE__, TRITONSERVER_ErrorMessage(refused));
    }
    TRITONSERVER_ErrorDelete(refused);
  }
  if (strcmp(state->kind, "report") == 0) {
    TRITONBACKEND_ModelInstanceReportStatistics(instance, request, true, 0, 10, 30, 60);
  }
  TRITONSERVER_ErrorDelete(error);
  release(request);
}

static int again(TRITONBACKEND_Request *request)
{
  uint32_t flags;
  tensor x;
  TRITONBACKEND_RequestFlags(request, &flags);
  TRITONSERVER_ErrorDelete(read_input(request, 0, &x));
  return flags & TRITONSERVER_REQUEST_FLAG_SEQUENCE_START;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request **requests,
    const uint32_t request_count)
{
  const toy *state = toy_of(instance);
  struct timespec pause = {0, 150000000};
  if (strcmp(state->kind, "refuse") == 0) {
    return failed(TRITONSERVER_ERROR_UNAVAILABLE, "not today");
  }
  if (strcmp(state->kind, "slow") == 0) {
    nanosleep(&pause, NULL);
  }
  if (strcmp(state->kind, "crash") == 0) {
    tensor x;
    TRITONSERVER_ErrorDelete(read_input(requests[0], 0, &x));
    if (*(const float *)x.data < 0) {
      *(volatile int *)NULL = 1;
    }
    while (*(const float *)x.data == 1000) {
      nanosleep(&pause, NULL);
    }
  }
  for (uint32_t i = 0; i < request_count; i++) {
    if (strcmp(state->kind, "silent") == 0) {
      release(requests[i]);
    } else if (strcmp(state->kind, "later") == 0) {
      in_thread(later, requests[i]);
    } else if (strcmp(state->kind, "repeat") == 0) {
      start_repeat(requests[i]);
    } else if (strcmp(state->kind, "reschedule") == 0 && again(requests[i])) {
      TRITONBACKEND_RequestRelease(requests[i], TRITONSERVER_REQUEST_RELEASE_RESCHEDULE);
    } else {
      answer(instance, state, requests[i]);
    }
  }
  if (strcmp(state->kind, "report") == 0) {
    TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, request_count, 0, 10, 30, 60);
  }
  return NULL;
}
