/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Responses: made by a backend, on any thread, and taken by Python with their buffers.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- tensors ----------------------------------------------------------------------------------- */

tr_output *tr_output_new(
    const char *name, TRITONSERVER_DataType datatype, const int64_t *shape, uint32_t rank)
{
  tr_output *made = calloc(1, sizeof(*made));
  made->name = tr_copy(name);
  made->datatype = (int32_t)datatype;
  made->shape = tr_copy_shape(shape, rank);
  made->rank = rank;
  return made;
}

void tr_outputs_free(tr_output *outputs)
{
  while (outputs != NULL) {
    tr_output *next = outputs->next;
    TRITONSERVER_BufferAttributesDelete(outputs->attributes);
    free(outputs->data);
    free(outputs->shape);
    free(outputs->name);
    free(outputs);
    outputs = next;
  }
}

TRITONSERVER_Error *TRITONBACKEND_OutputBuffer(
    TRITONBACKEND_Output *output, void **buffer, const uint64_t buffer_byte_size,
    TRITONSERVER_MemoryType *memory_type, int64_t *memory_type_id)
{
  *buffer = NULL;
  *memory_type = TRITONSERVER_MEMORY_CPU;
  *memory_type_id = 0;
  if (output->data != NULL) {
    return tr_error(
        TRITONSERVER_ERROR_ALREADY_EXISTS, "output '%s' already has its buffer", output->name);
  }
  output->data = tr_allocate(buffer_byte_size);
  if (output->data == NULL) {
    return tr_error(
        TRITONSERVER_ERROR_UNAVAILABLE, "there is no memory for output '%s' of %llu bytes",
        output->name, (unsigned long long)buffer_byte_size);
  }
  output->byte_size = buffer_byte_size;
  *buffer = output->data;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_OutputBufferAttributes(
    TRITONBACKEND_Output *output, TRITONSERVER_BufferAttributes **buffer_attributes)
{
  TRITONSERVER_Error *error = tr_cpu_attributes(&output->attributes, output->byte_size);
  *buffer_attributes = output->attributes;
  return error;
}

/* --- factories --------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_ResponseFactoryNew(
    TRITONBACKEND_ResponseFactory **factory, TRITONBACKEND_Request *request)
{
  *factory = calloc(1, sizeof(**factory));
  (*factory)->request = request;
  tr_request_hold(request);
  tr_count(&tr_living.factories, 1);
  return NULL;
}

/* One who could respond is gone. */
static void let_go(TRITONBACKEND_Request *request)
{
  pthread_mutex_lock(&request->lock);
  request->responders--;
  tr_request_changed(request);
  tr_request_drop(request);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseFactoryDelete(TRITONBACKEND_ResponseFactory *factory)
{
  let_go(factory->request);
  free(factory);
  tr_count(&tr_living.factories, -1);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ResponseFactoryIsCancelled(
    TRITONBACKEND_ResponseFactory *factory, bool *is_cancelled)
{
  return TRITONBACKEND_RequestIsCancelled(factory->request, is_cancelled);
}

/* The response joins the queue; with the lock, which is unlocked. */
static TRITONSERVER_Error *enqueue(
    TRITONBACKEND_Request *request, TRITONBACKEND_Response *response, uint32_t send_flags)
{
  if (request->status & TR_FINAL) {
    pthread_mutex_unlock(&request->lock);
    return tr_error(TRITONSERVER_ERROR_INTERNAL, "a response was sent after the final one");
  }
  if (response != NULL && request->last != NULL) {
    request->last->next = response;
  } else if (response != NULL) {
    request->first = response;
  }
  if (response != NULL) {
    request->last = response;
  }
  if (send_flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) {
    request->status |= TR_FINAL;
  }
  tr_request_changed(request);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ResponseFactorySendFlags(
    TRITONBACKEND_ResponseFactory *factory, const uint32_t send_flags)
{
  if (send_flags != TRITONSERVER_RESPONSE_COMPLETE_FINAL) {
    return tr_error(
        TRITONSERVER_ERROR_INVALID_ARG, "unsupported flags %u; FINAL is supported", send_flags);
  }
  pthread_mutex_lock(&factory->request->lock);
  return enqueue(factory->request, NULL, send_flags);
}

/* --- responses --------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_ResponseNew(
    TRITONBACKEND_Response **response, TRITONBACKEND_Request *request)
{
  *response = calloc(1, sizeof(**response));
  (*response)->request = request;
  tr_request_hold(request);
  tr_count(&tr_living.responses, 1);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ResponseNewFromFactory(
    TRITONBACKEND_Response **response, TRITONBACKEND_ResponseFactory *factory)
{
  return TRITONBACKEND_ResponseNew(response, factory->request);
}

void tr_response_free(TRITONBACKEND_Response *response)
{
  tr_outputs_free(response->outputs);
  tr_values_free(response->parameters);
  TRITONSERVER_ErrorDelete(response->error);
  free(response);
  tr_count(&tr_living.responses, -1);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseDelete(TRITONBACKEND_Response *response)
{
  let_go(response->request);
  tr_response_free(response);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ResponseSend(
    TRITONBACKEND_Response *response, const uint32_t send_flags, TRITONSERVER_Error *error)
{
  TRITONBACKEND_Request *request = response->request;
  response->request = NULL;
  if (error != NULL) { /* the caller keeps its own */
    response->error = TRITONSERVER_ErrorNew(error->code, error->message);
  }
  pthread_mutex_lock(&request->lock);
  request->responders--;
  TRITONSERVER_Error *refused = enqueue(request, response, send_flags);
  if (refused != NULL) {
    tr_response_free(response);
  }
  tr_request_drop(request);
  return refused;
}

static TRITONSERVER_Error *set_parameter(
    TRITONBACKEND_Response *response, const char *name, int32_t type, const void *value)
{
  tr_value **end = &response->parameters;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = tr_value_new(name, type, value, 0);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ResponseSetStringParameter(
    TRITONBACKEND_Response *response, const char *name, const char *value)
{
  return set_parameter(response, name, TRITONSERVER_PARAMETER_STRING, value);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseSetIntParameter(
    TRITONBACKEND_Response *response, const char *name, const int64_t value)
{
  return set_parameter(response, name, TRITONSERVER_PARAMETER_INT, &value);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseSetBoolParameter(
    TRITONBACKEND_Response *response, const char *name, const bool value)
{
  return set_parameter(response, name, TRITONSERVER_PARAMETER_BOOL, &value);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseSetDoubleParameter(
    TRITONBACKEND_Response *response, const char *name, const double value)
{
  return set_parameter(response, name, TRITONSERVER_PARAMETER_DOUBLE, &value);
}

TRITONSERVER_Error *TRITONBACKEND_ResponseOutput(
    TRITONBACKEND_Response *response, TRITONBACKEND_Output **output, const char *name,
    const TRITONSERVER_DataType datatype, const int64_t *shape, const uint32_t dims_count)
{
  tr_output **end = &response->outputs;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = *output = tr_output_new(name, datatype, shape, dims_count);
  return NULL;
}

static TRITONSERVER_Error *describe(
    const tr_output *output, const char *what, TRITONSERVER_DataType *datatype,
    const int64_t **shape, uint64_t *dim_count)
{
  if (output == NULL) {
    return tr_error(TRITONSERVER_ERROR_NOT_FOUND, "the response has no output %s", what);
  }
  *datatype = (TRITONSERVER_DataType)output->datatype;
  *shape = output->shape;
  *dim_count = output->rank;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_InferenceResponseOutputByName(
    TRITONBACKEND_Response *response, const char *name, TRITONSERVER_DataType *datatype,
    const int64_t **shape, uint64_t *dim_count)
{
  tr_output *output = response->outputs;
  while (output != NULL && strcmp(output->name, name) != 0) {
    output = output->next;
  }
  return describe(output, name, datatype, shape, dim_count);
}

TRITONSERVER_Error *TRITONBACKEND_InferenceResponseOutput(
    TRITONBACKEND_Response *response, const uint32_t index, const char **name,
    TRITONSERVER_DataType *datatype, const int64_t **shape, uint64_t *dim_count)
{
  tr_output *output = response->outputs;
  for (uint32_t i = 0; i < index && output != NULL; i++) {
    output = output->next;
  }
  if (output != NULL) {
    *name = output->name;
  }
  return describe(output, "of this index", datatype, shape, dim_count);
}

/* --- states of sequences: outputs that the server keeps ---------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_StateNew(
    TRITONBACKEND_State **state, TRITONBACKEND_Request *request, const char *name,
    const TRITONSERVER_DataType datatype, const int64_t *shape, const uint32_t dims_count)
{
  *state = calloc(1, sizeof(**state));
  (*state)->output = tr_output_new(name, datatype, shape, dims_count);
  (*state)->request = request;
  (*state)->next = request->states;
  request->states = *state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_StateUpdate(TRITONBACKEND_State *state)
{
  state->updated = true;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_StateBuffer(
    TRITONBACKEND_State *state, void **buffer, const uint64_t buffer_byte_size,
    TRITONSERVER_MemoryType *memory_type, int64_t *memory_type_id)
{
  return TRITONBACKEND_OutputBuffer(
      state->output, buffer, buffer_byte_size, memory_type, memory_type_id);
}

TRITONSERVER_Error *TRITONBACKEND_StateBufferAttributes(
    TRITONBACKEND_State *state, TRITONSERVER_BufferAttributes **buffer_attributes)
{
  return TRITONBACKEND_OutputBufferAttributes(state->output, buffer_attributes);
}
