/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Instances, an execution, and what a backend reports of it.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- what it asks of an instance --------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceName(
    TRITONBACKEND_ModelInstance *instance, const char **name)
{
  *name = instance->name;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceKind(
    TRITONBACKEND_ModelInstance *instance, TRITONSERVER_InstanceGroupKind *kind)
{
  *kind = (TRITONSERVER_InstanceGroupKind)instance->kind;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceDeviceId(
    TRITONBACKEND_ModelInstance *instance, int32_t *device_id)
{
  *device_id = instance->device;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceHostPolicy(
    TRITONBACKEND_ModelInstance *instance, TRITONSERVER_Message **host_policy)
{
  *host_policy = instance->host_policy;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceIsPassive(
    TRITONBACKEND_ModelInstance *instance, bool *is_passive)
{
  *is_passive = instance->passive;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceProfileCount(
    TRITONBACKEND_ModelInstance *instance, uint32_t *count)
{
  *count = tr_names_count(instance->profiles);
  return NULL;
}

static TRITONSERVER_Error *no_such(const char *what, uint32_t index, uint32_t count)
{
  return tr_error(
      TRITONSERVER_ERROR_INVALID_ARG, "out of bounds index %u: there are %u %s", index, count,
      what);
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceProfileName(
    TRITONBACKEND_ModelInstance *instance, const uint32_t index, const char **profile_name)
{
  tr_name *found = tr_name_at(instance->profiles, index);
  if (found == NULL) {
    return no_such("profiles", index, tr_names_count(instance->profiles));
  }
  *profile_name = found->text;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceSecondaryDeviceCount(
    TRITONBACKEND_ModelInstance *instance, uint32_t *count)
{
  *count = tr_names_count(instance->secondary_devices);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(
    TRITONBACKEND_ModelInstance *instance, uint32_t index, const char **kind, int64_t *id)
{
  tr_name *found = tr_name_at(instance->secondary_devices, index);
  if (found == NULL) {
    return no_such("secondary devices", index, tr_names_count(instance->secondary_devices));
  }
  *kind = found->text;
  *id = found->number;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceModel(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Model **model)
{
  *model = instance->model;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceState(
    TRITONBACKEND_ModelInstance *instance, void **state)
{
  *state = instance->state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceSetState(
    TRITONBACKEND_ModelInstance *instance, void *state)
{
  instance->state = state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportMemoryUsage(
    TRITONBACKEND_ModelInstance *instance, TRITONSERVER_BufferAttributes **usage,
    uint32_t usage_size)
{
  return tr_report_memory(&instance->memory, usage, usage_size);
}

/* --- an instance's life ------------------------------------------------------------------------ */

TRITONBACKEND_ModelInstance *tr_instance_new(
    TRITONBACKEND_Model *model, const char *name, int32_t kind, int32_t device, int32_t passive,
    const char *host_policy)
{
  TRITONBACKEND_ModelInstance *made = calloc(1, sizeof(*made));
  made->model = model;
  made->name = tr_copy(name);
  made->kind = kind;
  made->device = device;
  made->passive = passive != 0;
  tr_message(&made->host_policy, host_policy);
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->ended, NULL);
  return made;
}

void tr_instance_add_profile(TRITONBACKEND_ModelInstance *instance, const char *name)
{
  tr_name_append(&instance->profiles, name, 0);
}

void tr_instance_add_device(TRITONBACKEND_ModelInstance *instance, const char *kind, int64_t id)
{
  tr_name_append(&instance->secondary_devices, kind, id);
}

static void destroy_instance(TRITONBACKEND_ModelInstance *instance)
{
  pthread_cond_destroy(&instance->ended);
  pthread_mutex_destroy(&instance->lock);
  tr_names_free(instance->secondary_devices);
  tr_names_free(instance->profiles);
  tr_names_free(instance->memory);
  TRITONSERVER_MessageDelete(instance->host_policy);
  free(instance->name);
  free(instance);
}

TRITONSERVER_Error *tr_instance_open(TRITONBACKEND_ModelInstance *instance)
{
  tr_instance_fn initialize = instance->model->backend->instance_initialize;
  TRITONSERVER_Error *error = initialize == NULL ? NULL : initialize(instance);
  if (error != NULL) {
    destroy_instance(instance);
    return error;
  }
  tr_count(&tr_living.instances, 1);
  return NULL;
}

TRITONSERVER_Error *tr_instance_ready(TRITONBACKEND_ModelInstance *instance)
{
  tr_instance_fn ready = instance->model->backend->instance_ready;
  return ready == NULL ? NULL : ready(instance);
}

TRITONSERVER_Error *tr_instance_close(TRITONBACKEND_ModelInstance *instance)
{
  tr_instance_fn finalize = instance->model->backend->instance_finalize;
  TRITONSERVER_Error *error = finalize == NULL ? NULL : finalize(instance);
  tr_count(&tr_living.instances, -1);
  destroy_instance(instance);
  return error;
}

/* What a failed execution gave back is answered with its error. */
static void give_back(TRITONBACKEND_Request *request, TRITONSERVER_Error *error)
{
  TRITONBACKEND_Response *response = NULL;
  TRITONBACKEND_ResponseNew(&response, request);
  TRITONSERVER_ErrorDelete(
      TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
  TRITONSERVER_ErrorDelete(
      TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

/* Returns when all requests are ended; only a decoupled model's may be answered later. */
void tr_instance_execute(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request **requests, uint32_t count)
{
  for (uint32_t i = 0; i < count; i++) {
    tr_request_keep(requests[i]);
    if (requests[i]->waiting != NULL) {
      instance->running++; /* nobody else knows of it yet */
    }
  }
  TRITONSERVER_Error *error = instance->model->backend->execute(instance, requests, count);
  for (uint32_t i = 0; i < count; i++) {
    if (error != NULL) {
      give_back(requests[i], error);
    }
    tr_request_drop(requests[i]);
  }
  TRITONSERVER_ErrorDelete(error);
  pthread_mutex_lock(&instance->lock);
  while (instance->running > 0) {
    pthread_cond_wait(&instance->ended, &instance->lock);
  }
  pthread_mutex_unlock(&instance->lock);
}

/* --- statistics -------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportStatistics(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request *request, const bool success,
    const uint64_t exec_start_ns, const uint64_t compute_start_ns, const uint64_t compute_end_ns,
    const uint64_t exec_end_ns)
{
  (void)request;
  (void)exec_start_ns;
  (void)compute_start_ns;
  (void)compute_end_ns;
  (void)exec_end_ns;
  __atomic_add_fetch(success ? &instance->succeeded : &instance->failed, 1, __ATOMIC_RELAXED);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportBatchStatistics(
    TRITONBACKEND_ModelInstance *instance, const uint64_t batch_size, const uint64_t exec_start_ns,
    const uint64_t compute_start_ns, const uint64_t compute_end_ns, const uint64_t exec_end_ns)
{
  (void)batch_size;
  __atomic_add_fetch(&instance->batches, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&instance->input_ns, compute_start_ns - exec_start_ns, __ATOMIC_RELAXED);
  __atomic_add_fetch(&instance->infer_ns, compute_end_ns - compute_start_ns, __ATOMIC_RELAXED);
  __atomic_add_fetch(&instance->output_ns, exec_end_ns - compute_end_ns, __ATOMIC_RELAXED);
  return NULL;
}

void tr_instance_statistics(const TRITONBACKEND_ModelInstance *instance, uint64_t *six)
{
  six[0] = __atomic_load_n(&instance->succeeded, __ATOMIC_RELAXED);
  six[1] = __atomic_load_n(&instance->failed, __ATOMIC_RELAXED);
  six[2] = __atomic_load_n(&instance->batches, __ATOMIC_RELAXED);
  six[3] = __atomic_load_n(&instance->input_ns, __ATOMIC_RELAXED);
  six[4] = __atomic_load_n(&instance->infer_ns, __ATOMIC_RELAXED);
  six[5] = __atomic_load_n(&instance->output_ns, __ATOMIC_RELAXED);
}

/* Times of single responses: accepted, and nobody asks for them here. */
struct TRITONBACKEND_ModelInstanceResponseStatistics {
  int unused;
};

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceResponseStatisticsNew(
    TRITONBACKEND_ModelInstanceResponseStatistics **response_statistics)
{
  *response_statistics = calloc(1, sizeof(**response_statistics));
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceResponseStatisticsDelete(
    TRITONBACKEND_ModelInstanceResponseStatistics *response_statistics)
{
  free(response_statistics);
  return NULL;
}

#define ACCEPTED(Name, type)                                                 \
  TRITONSERVER_Error *TRITONBACKEND_ModelInstanceResponseStatistics##Name(   \
      TRITONBACKEND_ModelInstanceResponseStatistics *statistics, type value) \
  {                                                                          \
    (void)statistics;                                                        \
    (void)value;                                                             \
    return NULL;                                                             \
  }

ACCEPTED(SetModelInstance, TRITONBACKEND_ModelInstance *)
ACCEPTED(SetResponseFactory, TRITONBACKEND_ResponseFactory *)
ACCEPTED(SetResponseStart, uint64_t)
ACCEPTED(SetComputeOutputStart, uint64_t)
ACCEPTED(SetResponseEnd, uint64_t)
ACCEPTED(SetError, TRITONSERVER_Error *)

TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportResponseStatistics(
    TRITONBACKEND_ModelInstanceResponseStatistics *response_statistics)
{
  (void)response_statistics;
  return NULL;
}
