/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the toys compute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "toy.h"

TRITONSERVER_Error *failed(TRITONSERVER_Error_Code code, const char *text)
{
  return TRITONSERVER_ErrorNew(code, text);
}

TRITONSERVER_Error *read_input(TRITONBACKEND_Request *request, uint32_t index, tensor *found)
{
  TRITONBACKEND_Input *input;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t device = 0;
  TRITONSERVER_Error *error = TRITONBACKEND_RequestInputByIndex(request, index, &input);
  if (error != NULL) {
    return error;
  }
  TRITONBACKEND_InputProperties(
      input, &found->name, &found->type, &found->shape, &found->rank, &found->bytes, NULL);
  return TRITONBACKEND_InputBuffer(input, 0, &found->data, &found->bytes, &memory, &device);
}

void *write_output(
    TRITONBACKEND_Response *response, const char *name, TRITONSERVER_DataType type,
    const int64_t *shape, uint32_t rank, uint64_t bytes)
{
  TRITONBACKEND_Output *output;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t device = 0;
  void *buffer;
  TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, rank);
  TRITONBACKEND_OutputBuffer(output, &buffer, bytes, &memory, &device);
  return buffer;
}

TRITONSERVER_Error *copy(
    TRITONBACKEND_Request *request, TRITONBACKEND_Response *response, uint64_t less)
{
  tensor x;
  TRITONSERVER_Error *error = read_input(request, 0, &x);
  if (error == NULL) {
    memcpy(
        write_output(response, "y", x.type, x.shape, x.rank, x.bytes - less), x.data,
        x.bytes - less);
  }
  return error;
}

TRITONSERVER_Error *gather(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  tensor x;
  TRITONSERVER_Error *error = read_input(request, 0, &x);
  if (error != NULL) {
    return error;
  }
  float *y = write_output(
      response, "y", TRITONSERVER_TYPE_FP32, x.shape, x.rank, x.bytes / sizeof(int64_t) * 4);
  for (uint64_t i = 0; i < x.bytes / sizeof(int64_t); i++) {
    int64_t index = ((const int64_t *)x.data)[i];
    if (index < 0 || index > 3) {
      return failed(TRITONSERVER_ERROR_INVALID_ARG, "the index is out of range");
    }
    y[i] = (float)(10 * (index + 1));
  }
  return NULL;
}

void affine(const toy *state, TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  tensor x;
  TRITONSERVER_ErrorDelete(read_input(request, 0, &x));
  float *y = write_output(response, "y", x.type, x.shape, x.rank, x.bytes);
  for (uint64_t i = 0; i < x.bytes / 4; i++) {
    y[i] = (float)(state->scale * ((const float *)x.data)[i] + state->offset);
  }
}

void add_sub(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  tensor a = {0}, b = {0};
  for (uint32_t i = 0; i < 2; i++) {
    tensor found;
    TRITONSERVER_ErrorDelete(read_input(request, i, &found));
    *(strcmp(found.name, "INPUT0") == 0 ? &a : &b) = found;
  }
  float *sum = write_output(response, "OUTPUT0", a.type, a.shape, a.rank, a.bytes);
  float *difference = write_output(response, "OUTPUT1", a.type, a.shape, a.rank, a.bytes);
  for (uint64_t i = 0; i < a.bytes / 4; i++) {
    sum[i] = ((const float *)a.data)[i] + ((const float *)b.data)[i];
    difference[i] = ((const float *)a.data)[i] - ((const float *)b.data)[i];
  }
}

TRITONSERVER_Error *watch(TRITONBACKEND_Request *request)
{
  bool cancelled = false;
  struct timespec pause = {0, 1000000};
  for (int i = 0; i < 20000 && !cancelled; i++) {
    nanosleep(&pause, NULL);
    TRITONBACKEND_RequestIsCancelled(request, &cancelled);
  }
  return cancelled ? failed(TRITONSERVER_ERROR_CANCELLED, "it saw that it is cancelled") : NULL;
}

/* x [1] is added to the state "sum_in"; y is the sum so far. */
void add_up(TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  TRITONBACKEND_State *state;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  int64_t device = 0;
  void *buffer;
  float sum = 0;
  tensor x;
  uint32_t count;
  TRITONBACKEND_RequestInputCount(request, &count);
  for (uint32_t i = 0; i < count; i++) {
    TRITONSERVER_ErrorDelete(read_input(request, i, &x));
    if (strcmp(x.name, "START") != 0) {
      sum += *(const float *)x.data;
    }
  }
  TRITONSERVER_ErrorDelete(read_input(request, 0, &x));
  *(float *)write_output(response, "y", TRITONSERVER_TYPE_FP32, x.shape, x.rank, 4) = sum;
  TRITONBACKEND_StateNew(&state, request, "sum_out", TRITONSERVER_TYPE_FP32, x.shape, x.rank);
  TRITONBACKEND_StateBuffer(state, &buffer, 4, &memory, &device);
  *(float *)buffer = sum;
  TRITONBACKEND_StateUpdate(state);
}
