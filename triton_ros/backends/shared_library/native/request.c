/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Requests: what they ask, and how they end.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- made and read by Python ------------------------------------------------------------------- */

TRITONBACKEND_Request *tr_request_new(
    TRITONBACKEND_ModelInstance *instance, uint64_t token, int32_t decoupled, const char *id,
    uint32_t flags, uint64_t correlation, const char *correlation_text, uint64_t timeout_us)
{
  TRITONBACKEND_Request *made = calloc(1, sizeof(*made));
  pthread_mutex_init(&made->lock, NULL);
  made->model = instance->model;
  made->waiting = decoupled ? NULL : instance;
  made->decoupled = decoupled != 0;
  made->token = token;
  made->references = 2; /* Python's and the backend's */
  made->responders = 1;
  made->id = tr_copy(id);
  made->flags = flags;
  made->correlation = correlation;
  made->correlation_text = tr_copy(correlation_text);
  made->timeout_us = timeout_us;
  tr_count(&tr_living.requests, 1);
  return made;
}

void tr_request_add_input(
    TRITONBACKEND_Request *request, const char *name, int32_t datatype, const int64_t *shape,
    uint32_t rank, const void *data, uint64_t byte_size)
{
  TRITONBACKEND_Input **end = &request->inputs;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  TRITONBACKEND_Input *made = calloc(1, sizeof(*made));
  made->name = tr_copy(name);
  made->datatype = datatype;
  made->shape = tr_copy_shape(shape, rank);
  made->rank = rank;
  made->data = data;
  made->byte_size = byte_size;
  *end = made;
}

void tr_request_add_output(TRITONBACKEND_Request *request, const char *name)
{
  tr_name_append(&request->outputs, name, 0);
}

void tr_request_add_parameter(
    TRITONBACKEND_Request *request, const char *name, int32_t type, const void *value)
{
  tr_value **end = &request->parameters;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = tr_value_new(name, type, value, 0);
}

static void free_responses(TRITONBACKEND_Response *response)
{
  while (response != NULL) {
    TRITONBACKEND_Response *next = response->next;
    tr_response_free(response);
    response = next;
  }
}

TRITONBACKEND_Response *tr_request_take(TRITONBACKEND_Request *request, uint32_t *status)
{
  free_responses(request->taken);
  pthread_mutex_lock(&request->lock);
  request->taken = request->first;
  request->first = request->last = NULL;
  *status = request->status;
  if (request->responders == 0 && (*status & (TR_FINAL | TR_RESCHEDULED)) == 0) {
    *status |= TR_ABANDONED;
  }
  pthread_mutex_unlock(&request->lock);
  return request->taken;
}

tr_output *tr_request_states(TRITONBACKEND_Request *request)
{
  tr_output *found = NULL;
  for (TRITONBACKEND_State *state = request->states; state != NULL; state = state->next) {
    if (state->updated && state->output != NULL) {
      state->output->next = found;
      found = state->output;
      state->output = NULL;
    }
  }
  return found;
}

void tr_request_free(TRITONBACKEND_Request *request) { tr_request_drop(request); }

/* --- ends -------------------------------------------------------------------------------------- */

/* A further reference, of somebody who does not respond. */
void tr_request_keep(TRITONBACKEND_Request *request)
{
  pthread_mutex_lock(&request->lock);
  request->references++;
  pthread_mutex_unlock(&request->lock);
}

/* And of somebody who may. */
void tr_request_hold(TRITONBACKEND_Request *request)
{
  pthread_mutex_lock(&request->lock);
  request->references++;
  request->responders++;
  pthread_mutex_unlock(&request->lock);
}

static void destroy(TRITONBACKEND_Request *request)
{
  while (request->inputs != NULL) {
    TRITONBACKEND_Input *next = request->inputs->next;
    TRITONSERVER_BufferAttributesDelete(request->inputs->attributes);
    free(request->inputs->shape);
    free(request->inputs->name);
    free(request->inputs);
    request->inputs = next;
  }
  while (request->states != NULL) {
    TRITONBACKEND_State *next = request->states->next;
    tr_outputs_free(request->states->output);
    free(request->states);
    request->states = next;
  }
  free_responses(request->taken);
  free_responses(request->first);
  tr_names_free(request->outputs);
  tr_values_free(request->parameters);
  free(request->correlation_text);
  free(request->id);
  pthread_mutex_destroy(&request->lock);
  free(request);
  tr_count(&tr_living.requests, -1);
}

void tr_request_drop(TRITONBACKEND_Request *request)
{
  pthread_mutex_lock(&request->lock);
  bool last = --request->references == 0;
  pthread_mutex_unlock(&request->lock);
  if (last) {
    destroy(request);
  }
}

void tr_request_changed(TRITONBACKEND_Request *request)
{
  bool released = (request->status & TR_RELEASED) != 0;
  bool ended = released && ((request->status & TR_FINAL) != 0 || request->responders == 0);
  TRITONBACKEND_ModelInstance *waiting = request->waiting;
  uint64_t token = request->token;
  if (ended) {
    request->waiting = NULL;
  }
  bool decoupled = request->decoupled;
  pthread_mutex_unlock(&request->lock);
  if (waiting != NULL && ended) {
    pthread_mutex_lock(&waiting->lock);
    waiting->running--;
    pthread_cond_signal(&waiting->ended);
    pthread_mutex_unlock(&waiting->lock);
  } else if (decoupled && tr_python.notify != NULL) {
    tr_python.notify(token);
  }
}

TRITONSERVER_Error *TRITONBACKEND_RequestRelease(
    TRITONBACKEND_Request *request, uint32_t release_flags)
{
  pthread_mutex_lock(&request->lock);
  if (request->status & TR_RELEASED) {
    pthread_mutex_unlock(&request->lock);
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "the request was released before");
  }
  request->status |= TR_RELEASED;
  if (release_flags & TRITONSERVER_REQUEST_RELEASE_RESCHEDULE) {
    request->status |= TR_RESCHEDULED;
  }
  request->responders--;
  tr_request_changed(request);
  tr_request_drop(request);
  return NULL;
}
