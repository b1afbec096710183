/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Requests that a backend makes to other models (business logic scripting).
 *
 * The server is a model's own handle: who calls decides what may be called.  A request belongs to
 * the backend, which gets it back when the server has released it; so do the inputs' buffers.
 */
#include <stdlib.h>
#include <string.h>

#include "called.h"

static void free_inputs(called_input *inputs)
{
  while (inputs != NULL) {
    called_input *next = (called_input *)inputs->tensor.next;
    inputs->tensor.data = inputs->joined;
    inputs->tensor.next = NULL;
    tr_outputs_free(&inputs->tensor); /* the tensor comes first in it */
    inputs = next;
  }
}

static called_input **find_input(TRITONSERVER_InferenceRequest *request, const char *name)
{
  called_input **place = &request->inputs;
  while (*place != NULL && strcmp((*place)->tensor.name, name) != 0) {
    place = (called_input **)&(*place)->tensor.next;
  }
  return place;
}

static TRITONSERVER_Error *no_input(const char *name)
{
  return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "input '%s' does not exist in request", name);
}

/* --- making one -------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_InferenceRequestNew(
    TRITONSERVER_InferenceRequest **inference_request, TRITONSERVER_Server *server,
    const char *model_name, const int64_t model_version)
{
  TRITONSERVER_InferenceRequest *made = calloc(1, sizeof(*made));
  made->caller = server;
  made->name = tr_copy(model_name);
  made->version = model_version;
  made->id = tr_copy("");
  tr_count(&tr_living.called, 1);
  *inference_request = made;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestDelete(
    TRITONSERVER_InferenceRequest *inference_request)
{
  free_inputs(inference_request->inputs);
  tr_names_free(inference_request->outputs);
  tr_values_free(inference_request->parameters);
  free(inference_request->correlation_text);
  free(inference_request->id);
  free(inference_request->name);
  free(inference_request);
  tr_count(&tr_living.called, -1);
  return NULL;
}

static TRITONSERVER_Error *set_text(char **field, const char *text)
{
  free(*field);
  *field = tr_copy(text);
  return NULL;
}

#define FIELD(Setter, Getter, type, field)                                                       \
  TRITONSERVER_Error *TRITONSERVER_InferenceRequest##Setter(                                     \
      TRITONSERVER_InferenceRequest *request, type value)                                        \
  {                                                                                              \
    request->field = value;                                                                      \
    return NULL;                                                                                 \
  }                                                                                              \
  TRITONSERVER_Error *TRITONSERVER_InferenceRequest##Getter(                                     \
      TRITONSERVER_InferenceRequest *request, type *value)                                       \
  {                                                                                              \
    *value = (type)request->field;                                                               \
    return NULL;                                                                                 \
  }

FIELD(SetFlags, Flags, uint32_t, flags)
FIELD(SetPriority, Priority, uint32_t, priority)
FIELD(SetPriorityUInt64, PriorityUInt64, uint64_t, priority)
FIELD(SetTimeoutMicroseconds, TimeoutMicroseconds, uint64_t, timeout_us)
FIELD(SetCorrelationId, CorrelationId, uint64_t, correlation)

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetId(
    TRITONSERVER_InferenceRequest *inference_request, const char *id)
{
  return set_text(&inference_request->id, id);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestId(
    TRITONSERVER_InferenceRequest *inference_request, const char **id)
{
  *id = inference_request->id;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetCorrelationIdString(
    TRITONSERVER_InferenceRequest *inference_request, const char *correlation_id)
{
  return set_text(&inference_request->correlation_text, correlation_id);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestCorrelationIdString(
    TRITONSERVER_InferenceRequest *inference_request, const char **correlation_id)
{
  *correlation_id = inference_request->correlation_text;
  return NULL;
}

/* --- inputs and outputs ------------------------------------------------------------------------ */

TRITONSERVER_Error *TRITONSERVER_InferenceRequestAddInput(
    TRITONSERVER_InferenceRequest *inference_request, const char *name,
    const TRITONSERVER_DataType datatype, const int64_t *shape, uint64_t dim_count)
{
  called_input **place = find_input(inference_request, name);
  if (*place != NULL) {
    return tr_error(
        TRITONSERVER_ERROR_INVALID_ARG, "input '%s' already exists in request", name);
  }
  *place = calloc(1, sizeof(**place));
  (*place)->tensor.name = tr_copy(name);
  (*place)->tensor.datatype = (int32_t)datatype;
  (*place)->tensor.shape = tr_copy_shape(shape, (uint32_t)dim_count);
  (*place)->tensor.rank = (uint32_t)dim_count;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestAppendInputData(
    TRITONSERVER_InferenceRequest *inference_request, const char *name, const void *base,
    size_t byte_size, TRITONSERVER_MemoryType memory_type, int64_t memory_type_id)
{
  called_input *input = *find_input(inference_request, name);
  (void)memory_type_id;
  if (input == NULL) {
    return no_input(name);
  }
  if (memory_type == TRITONSERVER_MEMORY_GPU) {
    return tr_error(TRITONSERVER_ERROR_UNSUPPORTED, "inputs in GPU memory are not offered here");
  }
  if (input->tensor.byte_size == 0) { /* one piece stays where it is */
    input->tensor.data = (void *)base;
  } else {
    char *joined = tr_allocate(input->tensor.byte_size + byte_size);
    if (joined == NULL) {
      return tr_error(TRITONSERVER_ERROR_UNAVAILABLE, "there is no memory for input '%s'", name);
    }
    memcpy(joined, input->tensor.data, input->tensor.byte_size);
    memcpy(joined + input->tensor.byte_size, base, byte_size);
    free(input->joined);
    input->tensor.data = input->joined = joined;
  }
  input->tensor.byte_size += byte_size;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestAppendInputDataWithHostPolicy(
    TRITONSERVER_InferenceRequest *inference_request, const char *name, const void *base,
    size_t byte_size, TRITONSERVER_MemoryType memory_type, int64_t memory_type_id,
    const char *host_policy_name)
{
  (void)host_policy_name;
  return TRITONSERVER_InferenceRequestAppendInputData(
      inference_request, name, base, byte_size, memory_type, memory_type_id);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestAppendInputDataWithBufferAttributes(
    TRITONSERVER_InferenceRequest *inference_request, const char *name, const void *base,
    TRITONSERVER_BufferAttributes *buffer_attributes)
{
  return TRITONSERVER_InferenceRequestAppendInputData(
      inference_request, name, base, buffer_attributes->byte_size, buffer_attributes->memory_type,
      buffer_attributes->memory_type_id);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestRemoveAllInputData(
    TRITONSERVER_InferenceRequest *inference_request, const char *name)
{
  called_input *input = *find_input(inference_request, name);
  if (input == NULL) {
    return no_input(name);
  }
  free(input->joined);
  input->tensor.data = input->joined = NULL;
  input->tensor.byte_size = 0;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestRemoveInput(
    TRITONSERVER_InferenceRequest *inference_request, const char *name)
{
  called_input **place = find_input(inference_request, name), *input = *place;
  if (input == NULL) {
    return no_input(name);
  }
  *place = (called_input *)input->tensor.next;
  input->tensor.next = NULL;
  free_inputs(input);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestRemoveAllInputs(
    TRITONSERVER_InferenceRequest *inference_request)
{
  free_inputs(inference_request->inputs);
  inference_request->inputs = NULL;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestAddRequestedOutput(
    TRITONSERVER_InferenceRequest *inference_request, const char *name)
{
  tr_name_append(&inference_request->outputs, name, 0);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestRemoveAllRequestedOutputs(
    TRITONSERVER_InferenceRequest *inference_request)
{
  tr_names_free(inference_request->outputs);
  inference_request->outputs = NULL;
  return NULL;
}

/* --- parameters -------------------------------------------------------------------------------- */

static TRITONSERVER_Error *set_parameter(
    TRITONSERVER_InferenceRequest *request, const char *key, int32_t type, const void *value)
{
  tr_value *made = tr_value_new(key, type, value, 0);
  made->next = request->parameters;
  request->parameters = made;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetStringParameter(
    TRITONSERVER_InferenceRequest *request, const char *key, const char *value)
{
  return set_parameter(request, key, TRITONSERVER_PARAMETER_STRING, value);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetIntParameter(
    TRITONSERVER_InferenceRequest *request, const char *key, const int64_t value)
{
  return set_parameter(request, key, TRITONSERVER_PARAMETER_INT, &value);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetBoolParameter(
    TRITONSERVER_InferenceRequest *request, const char *key, const bool value)
{
  return set_parameter(request, key, TRITONSERVER_PARAMETER_BOOL, &value);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetDoubleParameter(
    TRITONSERVER_InferenceRequest *request, const char *key, const double value)
{
  return set_parameter(request, key, TRITONSERVER_PARAMETER_DOUBLE, &value);
}
