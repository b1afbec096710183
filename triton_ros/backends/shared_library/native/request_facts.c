/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * What a backend asks of a request and of its inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- what a backend asks of a request ----------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_RequestId(TRITONBACKEND_Request *request, const char **id)
{
  *id = request->id;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestCorrelationId(
    TRITONBACKEND_Request *request, uint64_t *id)
{
  if (request->correlation_text != NULL) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "the correlation id is not an unsigned int");
  }
  *id = request->correlation;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestCorrelationIdString(
    TRITONBACKEND_Request *request, const char **id)
{
  if (request->correlation_text == NULL) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "the correlation id is not a string");
  }
  *id = request->correlation_text;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestFlags(TRITONBACKEND_Request *request, uint32_t *flags)
{
  *flags = request->flags;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_InferenceRequestTimeoutMicroseconds(
    TRITONBACKEND_Request *request, uint64_t *timeout)
{
  *timeout = request->timeout_us;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestIsCancelled(
    TRITONBACKEND_Request *request, bool *is_cancelled)
{
  *is_cancelled = tr_python.cancelled != NULL && tr_python.cancelled(request->token) != 0;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestTrace(
    TRITONBACKEND_Request *request, TRITONSERVER_InferenceTrace **trace)
{
  (void)request;
  *trace = NULL; /* as for any request that is not traced */
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestParameterCount(
    TRITONBACKEND_Request *request, uint32_t *count)
{
  *count = 0;
  for (tr_value *value = request->parameters; value != NULL; value = value->next) {
    ++*count;
  }
  return NULL;
}

static TRITONSERVER_Error *no_such(const char *what, uint32_t index)
{
  return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "out of bounds index %u of %s", index, what);
}

TRITONSERVER_Error *TRITONBACKEND_RequestParameter(
    TRITONBACKEND_Request *request, const uint32_t index, const char **key,
    TRITONSERVER_ParameterType *type, const void **vvalue)
{
  tr_value *value = request->parameters;
  for (uint32_t i = 0; i < index && value != NULL; i++) {
    value = value->next;
  }
  if (value == NULL) {
    return no_such("request parameters", index);
  }
  *key = value->name;
  *type = (TRITONSERVER_ParameterType)value->type;
  *vvalue = tr_value_pointer(value);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestInputCount(TRITONBACKEND_Request *request, uint32_t *count)
{
  *count = 0;
  for (TRITONBACKEND_Input *input = request->inputs; input != NULL; input = input->next) {
    ++*count;
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestInputByIndex(
    TRITONBACKEND_Request *request, const uint32_t index, TRITONBACKEND_Input **input)
{
  TRITONBACKEND_Input *found = request->inputs;
  for (uint32_t i = 0; i < index && found != NULL; i++) {
    found = found->next;
  }
  *input = found;
  return found == NULL ? no_such("request inputs", index) : NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestInputName(
    TRITONBACKEND_Request *request, const uint32_t index, const char **input_name)
{
  TRITONBACKEND_Input *input = NULL;
  TRITONSERVER_Error *error = TRITONBACKEND_RequestInputByIndex(request, index, &input);
  *input_name = input == NULL ? NULL : input->name;
  return error;
}

TRITONSERVER_Error *TRITONBACKEND_RequestInput(
    TRITONBACKEND_Request *request, const char *name, TRITONBACKEND_Input **input)
{
  *input = request->inputs;
  while (*input != NULL && strcmp((*input)->name, name) != 0) {
    *input = (*input)->next;
  }
  if (*input == NULL) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "unknown request input name %s", name);
  }
  return NULL;
}

static tr_name *outputs_of(TRITONBACKEND_Request *request)
{
  return request->outputs != NULL ? request->outputs : request->model->outputs;
}

TRITONSERVER_Error *TRITONBACKEND_RequestOutputCount(
    TRITONBACKEND_Request *request, uint32_t *count)
{
  *count = tr_names_count(outputs_of(request));
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestOutputName(
    TRITONBACKEND_Request *request, const uint32_t index, const char **output_name)
{
  tr_name *found = tr_name_at(outputs_of(request), index);
  *output_name = found == NULL ? NULL : found->text;
  return found == NULL ? no_such("requested outputs", index) : NULL;
}

TRITONSERVER_Error *TRITONBACKEND_RequestOutputBufferProperties(
    TRITONBACKEND_Request *request, const char *name, size_t *byte_size,
    TRITONSERVER_MemoryType *memory_type, int64_t *memory_type_id)
{
  (void)request;
  (void)name;
  (void)byte_size; /* any size will do */
  *memory_type = TRITONSERVER_MEMORY_CPU;
  *memory_type_id = 0;
  return NULL;
}

/* --- inputs ------------------------------------------------------------------------------------ */

/* Which of the properties are wanted is told by NULL for the others. */
TRITONSERVER_Error *TRITONBACKEND_InputProperties(
    TRITONBACKEND_Input *input, const char **name, TRITONSERVER_DataType *datatype,
    const int64_t **shape, uint32_t *dims_count, uint64_t *byte_size, uint32_t *buffer_count)
{
  if (name != NULL) {
    *name = input->name;
  }
  if (datatype != NULL) {
    *datatype = (TRITONSERVER_DataType)input->datatype;
  }
  if (shape != NULL) {
    *shape = input->shape;
  }
  if (dims_count != NULL) {
    *dims_count = input->rank;
  }
  if (byte_size != NULL) {
    *byte_size = input->byte_size;
  }
  if (buffer_count != NULL) {
    *buffer_count = 1;
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_InputPropertiesForHostPolicy(
    TRITONBACKEND_Input *input, const char *host_policy_name, const char **name,
    TRITONSERVER_DataType *datatype, const int64_t **shape, uint32_t *dims_count,
    uint64_t *byte_size, uint32_t *buffer_count)
{
  (void)host_policy_name; /* one copy serves all */
  return TRITONBACKEND_InputProperties(
      input, name, datatype, shape, dims_count, byte_size, buffer_count);
}

TRITONSERVER_Error *TRITONBACKEND_InputBuffer(
    TRITONBACKEND_Input *input, const uint32_t index, const void **buffer,
    uint64_t *buffer_byte_size, TRITONSERVER_MemoryType *memory_type, int64_t *memory_type_id)
{
  if (index != 0) {
    *buffer = NULL;
    return no_such("an input's buffers", index);
  }
  *buffer = input->data;
  *buffer_byte_size = input->byte_size;
  *memory_type = TRITONSERVER_MEMORY_CPU;
  *memory_type_id = 0;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_InputBufferForHostPolicy(
    TRITONBACKEND_Input *input, const char *host_policy_name, const uint32_t index,
    const void **buffer, uint64_t *buffer_byte_size, TRITONSERVER_MemoryType *memory_type,
    int64_t *memory_type_id)
{
  (void)host_policy_name;
  return TRITONBACKEND_InputBuffer(
      input, index, buffer, buffer_byte_size, memory_type, memory_type_id);
}

TRITONSERVER_Error *TRITONBACKEND_InputBufferAttributes(
    TRITONBACKEND_Input *input, const uint32_t index, const void **buffer,
    TRITONSERVER_BufferAttributes **buffer_attributes)
{
  if (index != 0) {
    return no_such("an input's buffers", index);
  }
  *buffer = input->data;
  TRITONSERVER_Error *error = tr_cpu_attributes(&input->attributes, input->byte_size);
  *buffer_attributes = input->attributes;
  return error;
}
