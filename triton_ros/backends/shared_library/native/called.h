/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * What a backend calls another model with, and the flat functions that Python answers it by.
 */
#ifndef TRITON_ROS_CALLED_H
#define TRITON_ROS_CALLED_H

#include "host.h"

typedef struct called_input {
  tr_output tensor; /* its data are the backend's, or what pieces were joined into */
  void *joined;
} called_input;

/* The fields up to `parameters` are read by Python (called_models.py). */
struct TRITONSERVER_InferenceRequest {
  TRITONSERVER_Server *caller;
  char *name, *id, *correlation_text;
  int64_t version;
  uint64_t correlation, priority, timeout_us, token;
  uint32_t flags;
  called_input *inputs;
  tr_name *outputs;
  tr_value *parameters;
  TRITONSERVER_InferenceRequestReleaseFn_t release;
  void *release_userp;
  TRITONSERVER_ResponseAllocator *allocator;
  void *allocator_userp;
  TRITONSERVER_InferenceResponseCompleteFn_t respond;
  void *respond_userp;
};

TRITONSERVER_InferenceResponse *tr_called_response_new(
    TRITONSERVER_InferenceRequest *request, int64_t version);
void tr_called_response_fail(
    TRITONSERVER_InferenceResponse *response, int32_t code, const char *message);
void tr_called_response_add_parameter(
    TRITONSERVER_InferenceResponse *response, const char *name, int32_t type, const void *value);
/* 0 when the backend's allocator failed: the response is an error then. */
int32_t tr_called_response_add_output(
    TRITONSERVER_InferenceResponse *response, const char *name, int32_t datatype,
    const int64_t *shape, uint32_t rank, const void *data, uint64_t byte_size);
/* Gives the response (NULL: there is none) to the backend; after the final one, the request too. */
void tr_called_respond(
    TRITONSERVER_InferenceRequest *request, TRITONSERVER_InferenceResponse *response,
    int32_t final);

#endif
