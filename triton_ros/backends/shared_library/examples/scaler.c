/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * y = scale * x + offset: the first input to the first output, FP32 or FP64 or any integer type.
 *
 * Parameters of the configuration: "scale" (default 1) and "offset" (default 0).  Each request is
 * computed by itself, whatever its batch; integers are rounded and kept within their range.
 *
 * The configuration comes as JSON.  This file looks its few values up by itself; a backend of more
 * than a page would use a JSON library.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "triton/core/tritonbackend.h"

typedef struct scaler {
  double scale, offset;
  char output[256];
} scaler;

static TRITONSERVER_Error *refuse(const char *what, const char *value)
{
  char text[512];
  snprintf(text, sizeof(text), "%s, got '%s'", what, value);
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, text);
}

/* --- configuration ----------------------------------------------------------------------------- */

/* The text of the string that follows "key": in `json`, after the place of `section`. */
static int find_string(
    const char *json, const char *section, const char *key, char *value, size_t size)
{
  char quoted[128];
  snprintf(quoted, sizeof(quoted), "\"%s\":", section);
  const char *at = strstr(json, quoted);
  snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
  at = at == NULL ? NULL : strstr(at, quoted);
  if (at == NULL) {
    return 0;
  }
  at += strlen(quoted);
  size_t length = strcspn(at, "\"");
  if (length >= size) {
    length = size - 1;
  }
  memcpy(value, at, length);
  value[length] = '\0';
  return 1;
}

/* {"parameters":{"scale":{"string_value":"2"}}}; what is not there keeps its default. */
static TRITONSERVER_Error *find_number(const char *json, const char *name, double *value)
{
  char text[64], *end;
  const char *parameters = strstr(json, "\"parameters\":");
  char quoted[128];
  snprintf(quoted, sizeof(quoted), "\"%s\":{", name);
  if (parameters == NULL || strstr(parameters, quoted) == NULL) {
    return NULL;
  }
  if (!find_string(parameters, name, "string_value", text, sizeof(text))) {
    text[0] = '\0';
  }
  *value = strtod(text, &end);
  if (end == text || *end != '\0' || !isfinite(*value)) {
    snprintf(quoted, sizeof(quoted), "parameters['%s'] must be a number", name);
    return refuse(quoted, text);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model *model)
{
  TRITONSERVER_Message *message;
  const char *json;
  size_t size;
  TRITONSERVER_Error *error = TRITONBACKEND_ModelConfig(model, 1, &message);
  if (error != NULL) {
    return error;
  }
  scaler *state = calloc(1, sizeof(*state));
  state->scale = 1.0;
  TRITONSERVER_MessageSerializeToJson(message, &json, &size);
  error = find_number(json, "scale", &state->scale);
  if (error == NULL) {
    error = find_number(json, "offset", &state->offset);
  }
  if (error == NULL &&
      !find_string(json, "output", "name", state->output, sizeof(state->output))) {
    error = refuse("the configuration must have an output", "none");
  }
  TRITONSERVER_MessageDelete(message);
  if (error != NULL) {
    free(state);
    return error;
  }
  return TRITONBACKEND_ModelSetState(model, state);
}

TRITONSERVER_Error *TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model *model)
{
  void *state;
  TRITONSERVER_Error *error = TRITONBACKEND_ModelState(model, &state);
  free(state);
  return error;
}

/* --- execution --------------------------------------------------------------------------------- */

#define REAL(type)                                                       \
  for (uint64_t i = 0; i < bytes / sizeof(type); i++) {                  \
    ((type *)to)[i] = (type)(k->scale * ((const type *)from)[i] + k->offset); \
  }                                                                      \
  break

/* The limits are the nearest doubles within the type. */
#define INTEGER(type, least, most)                                       \
  for (uint64_t i = 0; i < bytes / sizeof(type); i++) {                  \
    double value = rint(k->scale * (double)((const type *)from)[i] + k->offset); \
    ((type *)to)[i] = value <= (double)(least)   ? (type)(least)         \
                      : value >= (double)(most) ? (type)(most)           \
                                                : (type)value;           \
  }                                                                      \
  break

static TRITONSERVER_Error *compute(
    const scaler *k, TRITONSERVER_DataType type, const void *from, void *to, uint64_t bytes)
{
  switch (type) {
    case TRITONSERVER_TYPE_FP32:
      REAL(float);
    case TRITONSERVER_TYPE_FP64:
      REAL(double);
    case TRITONSERVER_TYPE_UINT8:
      INTEGER(uint8_t, 0, UINT8_MAX);
    case TRITONSERVER_TYPE_UINT16:
      INTEGER(uint16_t, 0, UINT16_MAX);
    case TRITONSERVER_TYPE_UINT32:
      INTEGER(uint32_t, 0, UINT32_MAX);
    case TRITONSERVER_TYPE_UINT64:
      INTEGER(uint64_t, 0, UINT64_MAX);
    case TRITONSERVER_TYPE_INT8:
      INTEGER(int8_t, INT8_MIN, INT8_MAX);
    case TRITONSERVER_TYPE_INT16:
      INTEGER(int16_t, INT16_MIN, INT16_MAX);
    case TRITONSERVER_TYPE_INT32:
      INTEGER(int32_t, INT32_MIN, INT32_MAX);
    case TRITONSERVER_TYPE_INT64:
      INTEGER(int64_t, INT64_MIN, INT64_MAX);
    default:
      return refuse(
          "the datatype must be FP32, FP64 or an integer", TRITONSERVER_DataTypeString(type));
  }
  return NULL;
}

static TRITONSERVER_Error *answer(
    const scaler *k, TRITONBACKEND_Request *request, TRITONBACKEND_Response *response)
{
  TRITONBACKEND_Input *input;
  TRITONBACKEND_Output *output;
  TRITONSERVER_DataType type;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  const int64_t *shape;
  const void *from;
  void *to;
  int64_t device = 0;
  uint32_t rank;
  uint64_t bytes;
  TRITONSERVER_Error *error = TRITONBACKEND_RequestInputByIndex(request, 0, &input);
  if (error == NULL) {
    error = TRITONBACKEND_InputProperties(input, NULL, &type, &shape, &rank, &bytes, NULL);
  }
  if (error == NULL) {
    error = TRITONBACKEND_InputBuffer(input, 0, &from, &bytes, &memory, &device);
  }
  if (error == NULL) {
    error = TRITONBACKEND_ResponseOutput(response, &output, k->output, type, shape, rank);
  }
  if (error == NULL) {
    error = TRITONBACKEND_OutputBuffer(output, &to, bytes, &memory, &device);
  }
  return error != NULL ? error : compute(k, type, from, to, bytes);
}

static uint64_t now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceExecute(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request **requests,
    const uint32_t request_count)
{
  TRITONBACKEND_Model *model;
  void *state;
  uint64_t start = now_ns();
  TRITONSERVER_Error *error = TRITONBACKEND_ModelInstanceModel(instance, &model);
  if (error == NULL) {
    error = TRITONBACKEND_ModelState(model, &state);
  }
  if (error != NULL) { /* the server answers the requests with it */
    return error;
  }
  for (uint32_t i = 0; i < request_count; i++) {
    TRITONBACKEND_Response *response;
    error = TRITONBACKEND_ResponseNew(&response, requests[i]);
    if (error == NULL) {
      error = answer(state, requests[i], response);
      TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(
          response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
    }
    uint64_t end = now_ns();
    TRITONBACKEND_ModelInstanceReportStatistics(
        instance, requests[i], error == NULL, start, start, end, end);
    TRITONSERVER_ErrorDelete(error);
    TRITONSERVER_ErrorDelete(
        TRITONBACKEND_RequestRelease(requests[i], TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  uint64_t end = now_ns();
  return TRITONBACKEND_ModelInstanceReportBatchStatistics(
      instance, request_count, start, start, end, end);
}
