/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Responses of called models: in memory that the calling backend allocates.
 */
#include <stdlib.h>
#include <string.h>

#include "called.h"

struct TRITONSERVER_ResponseAllocator {
  TRITONSERVER_ResponseAllocatorAllocFn_t allocate;
  TRITONSERVER_ResponseAllocatorReleaseFn_t release;
  TRITONSERVER_ResponseAllocatorStartFn_t start;
};

typedef struct called_output {
  tr_output tensor; /* its data are the backend's */
  void *userp;
  TRITONSERVER_MemoryType memory_type;
  int64_t memory_type_id;
} called_output;

struct TRITONSERVER_InferenceResponse {
  TRITONSERVER_Error *error;
  char *name, *id;
  int64_t version;
  called_output *outputs;
  tr_value *parameters;
  TRITONSERVER_ResponseAllocator *allocator;
  void *allocator_userp;
};

/* --- allocators -------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_ResponseAllocatorNew(
    TRITONSERVER_ResponseAllocator **allocator, TRITONSERVER_ResponseAllocatorAllocFn_t alloc_fn,
    TRITONSERVER_ResponseAllocatorReleaseFn_t release_fn,
    TRITONSERVER_ResponseAllocatorStartFn_t start_fn)
{
  *allocator = calloc(1, sizeof(**allocator));
  (*allocator)->allocate = alloc_fn;
  (*allocator)->release = release_fn;
  (*allocator)->start = start_fn;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_ResponseAllocatorDelete(TRITONSERVER_ResponseAllocator *allocator)
{
  free(allocator);
  return NULL;
}

/* Answers are in CPU memory, whatever these would say. */
TRITONSERVER_Error *TRITONSERVER_ResponseAllocatorSetBufferAttributesFunction(
    TRITONSERVER_ResponseAllocator *allocator,
    TRITONSERVER_ResponseAllocatorBufferAttributesFn_t buffer_attributes_fn)
{
  (void)allocator;
  (void)buffer_attributes_fn;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_ResponseAllocatorSetQueryFunction(
    TRITONSERVER_ResponseAllocator *allocator, TRITONSERVER_ResponseAllocatorQueryFn_t query_fn)
{
  (void)allocator;
  (void)query_fn;
  return NULL;
}

/* --- calling ----------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetReleaseCallback(
    TRITONSERVER_InferenceRequest *inference_request,
    TRITONSERVER_InferenceRequestReleaseFn_t request_release_fn, void *request_release_userp)
{
  inference_request->release = request_release_fn;
  inference_request->release_userp = request_release_userp;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestSetResponseCallback(
    TRITONSERVER_InferenceRequest *inference_request,
    TRITONSERVER_ResponseAllocator *response_allocator, void *response_allocator_userp,
    TRITONSERVER_InferenceResponseCompleteFn_t response_fn, void *response_userp)
{
  inference_request->allocator = response_allocator;
  inference_request->allocator_userp = response_allocator_userp;
  inference_request->respond = response_fn;
  inference_request->respond_userp = response_userp;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_ServerInferAsync(
    TRITONSERVER_Server *server, TRITONSERVER_InferenceRequest *inference_request,
    TRITONSERVER_InferenceTrace *trace)
{
  (void)server; /* the request knows it */
  (void)trace;
  if (inference_request->respond == NULL || inference_request->release == NULL) {
    return tr_error(
        TRITONSERVER_ERROR_INVALID_ARG, "the request needs its release and response callbacks");
  }
  return tr_python.infer == NULL
             ? tr_error(TRITONSERVER_ERROR_UNAVAILABLE, "the server is stopping")
             : tr_python.infer(inference_request);
}

TRITONSERVER_Error *TRITONSERVER_InferenceRequestCancel(
    TRITONSERVER_InferenceRequest *inference_request)
{
  if (tr_python.cancel != NULL) {
    tr_python.cancel(inference_request->token);
  }
  return NULL;
}

/* --- for Python -------------------------------------------------------------------------------- */

TRITONSERVER_InferenceResponse *tr_called_response_new(
    TRITONSERVER_InferenceRequest *request, int64_t version)
{
  TRITONSERVER_InferenceResponse *made = calloc(1, sizeof(*made));
  made->name = tr_copy(request->name);
  made->id = tr_copy(request->id);
  made->version = version;
  made->allocator = request->allocator;
  made->allocator_userp = request->allocator_userp;
  if (made->allocator != NULL && made->allocator->start != NULL) {
    made->error = made->allocator->start(made->allocator, made->allocator_userp);
  }
  tr_count(&tr_living.answers, 1);
  return made;
}

void tr_called_response_fail(
    TRITONSERVER_InferenceResponse *response, int32_t code, const char *message)
{
  TRITONSERVER_ErrorDelete(response->error);
  response->error = TRITONSERVER_ErrorNew((TRITONSERVER_Error_Code)code, message);
}

void tr_called_response_add_parameter(
    TRITONSERVER_InferenceResponse *response, const char *name, int32_t type, const void *value)
{
  tr_value *made = tr_value_new(name, type, value, 0);
  made->next = response->parameters;
  response->parameters = made;
}

int32_t tr_called_response_add_output(
    TRITONSERVER_InferenceResponse *response, const char *name, int32_t datatype,
    const int64_t *shape, uint32_t rank, const void *data, uint64_t byte_size)
{
  if (response->error != NULL || response->allocator == NULL) {
    return 0;
  }
  called_output **place = &response->outputs, *made = calloc(1, sizeof(*made));
  void *buffer = NULL;
  response->error = response->allocator->allocate(
      response->allocator, name, byte_size, TRITONSERVER_MEMORY_CPU, 0, response->allocator_userp,
      &buffer, &made->userp, &made->memory_type, &made->memory_type_id);
  bool ours = made->memory_type != TRITONSERVER_MEMORY_GPU;
  if (response->error == NULL && !ours) {
    response->error = tr_error(
        TRITONSERVER_ERROR_UNSUPPORTED, "output '%s' was allocated in GPU memory", name);
  }
  if (response->error == NULL && byte_size > 0) {
    memcpy(buffer, data, byte_size);
  }
  made->tensor = (tr_output){
      NULL, tr_copy(name), tr_copy_shape(shape, rank), buffer, byte_size, rank, datatype, NULL};
  while (*place != NULL) {
    place = (called_output **)&(*place)->tensor.next;
  }
  *place = made;
  return response->error == NULL;
}

void tr_called_respond(
    TRITONSERVER_InferenceRequest *request, TRITONSERVER_InferenceResponse *response,
    int32_t final)
{
  request->respond(
      response, final ? TRITONSERVER_RESPONSE_COMPLETE_FINAL : 0, request->respond_userp);
  if (final) {
    request->release(request, TRITONSERVER_REQUEST_RELEASE_ALL, request->release_userp);
  }
}

/* --- what the backend asks of an answer -------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_InferenceResponseDelete(
    TRITONSERVER_InferenceResponse *inference_response)
{
  TRITONSERVER_Error *error = NULL;
  while (inference_response->outputs != NULL) {
    called_output *output = inference_response->outputs;
    inference_response->outputs = (called_output *)output->tensor.next;
    if (output->tensor.data != NULL) {
      TRITONSERVER_ErrorDelete(error);
      error = inference_response->allocator->release(
          inference_response->allocator, output->tensor.data, output->userp,
          output->tensor.byte_size, output->memory_type, output->memory_type_id);
    }
    output->tensor.data = NULL;
    output->tensor.next = NULL;
    tr_outputs_free(&output->tensor); /* the tensor comes first in it */
  }
  tr_values_free(inference_response->parameters);
  TRITONSERVER_ErrorDelete(inference_response->error);
  free(inference_response->id);
  free(inference_response->name);
  free(inference_response);
  tr_count(&tr_living.answers, -1);
  return error;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseError(
    TRITONSERVER_InferenceResponse *inference_response)
{
  return inference_response->error; /* it stays the response's */
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseModel(
    TRITONSERVER_InferenceResponse *inference_response, const char **model_name,
    int64_t *model_version)
{
  *model_name = inference_response->name;
  *model_version = inference_response->version;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseId(
    TRITONSERVER_InferenceResponse *inference_response, const char **request_id)
{
  *request_id = inference_response->id;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseParameterCount(
    TRITONSERVER_InferenceResponse *inference_response, uint32_t *count)
{
  *count = 0;
  for (tr_value *value = inference_response->parameters; value != NULL; value = value->next) {
    ++*count;
  }
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseParameter(
    TRITONSERVER_InferenceResponse *inference_response, const uint32_t index, const char **name,
    TRITONSERVER_ParameterType *type, const void **vvalue)
{
  tr_value *value = inference_response->parameters;
  for (uint32_t i = 0; i < index && value != NULL; i++) {
    value = value->next;
  }
  if (value == NULL) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "out of bounds index %u", index);
  }
  *name = value->name;
  *type = (TRITONSERVER_ParameterType)value->type;
  *vvalue = tr_value_pointer(value);
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseOutputCount(
    TRITONSERVER_InferenceResponse *inference_response, uint32_t *count)
{
  *count = 0;
  tr_output *output = (tr_output *)inference_response->outputs;
  for (; output != NULL; output = output->next) {
    ++*count;
  }
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_InferenceResponseOutput(
    TRITONSERVER_InferenceResponse *inference_response, const uint32_t index, const char **name,
    TRITONSERVER_DataType *datatype, const int64_t **shape, uint64_t *dim_count, const void **base,
    size_t *byte_size, TRITONSERVER_MemoryType *memory_type, int64_t *memory_type_id, void **userp)
{
  called_output *output = inference_response->outputs;
  for (uint32_t i = 0; i < index && output != NULL; i++) {
    output = (called_output *)output->tensor.next;
  }
  if (output == NULL) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "out of bounds index %u", index);
  }
  *name = output->tensor.name;
  *datatype = (TRITONSERVER_DataType)output->tensor.datatype;
  *shape = output->tensor.shape;
  *dim_count = output->tensor.rank;
  *base = output->tensor.data;
  *byte_size = output->tensor.byte_size;
  *memory_type = output->memory_type;
  *memory_type_id = output->memory_type_id;
  *userp = output->userp;
  return NULL;
}
