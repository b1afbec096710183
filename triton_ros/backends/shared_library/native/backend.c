/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Backends: a library with its functions.  It is opened once and stays mapped until the process
 * ends, as with Triton: threads and destructors of a library may outlive its last model.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- what a backend asks ----------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONBACKEND_ApiVersion(uint32_t *major, uint32_t *minor)
{
  *major = TRITONBACKEND_API_VERSION_MAJOR;
  *minor = TRITONBACKEND_API_VERSION_MINOR;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_MemoryManagerAllocate(
    TRITONBACKEND_MemoryManager *manager, void **buffer, const TRITONSERVER_MemoryType memory_type,
    const int64_t memory_type_id, const uint64_t byte_size)
{
  (void)manager;
  (void)memory_type_id;
  if (memory_type != TRITONSERVER_MEMORY_CPU) {
    return tr_error(
        TRITONSERVER_ERROR_UNSUPPORTED, "memory of type %s cannot be allocated here; CPU can",
        TRITONSERVER_MemoryTypeString(memory_type));
  }
  *buffer = tr_allocate(byte_size);
  if (*buffer == NULL) {
    return tr_error(
        TRITONSERVER_ERROR_UNAVAILABLE, "there is no memory for %llu bytes",
        (unsigned long long)byte_size);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_MemoryManagerFree(
    TRITONBACKEND_MemoryManager *manager, void *buffer, const TRITONSERVER_MemoryType memory_type,
    const int64_t memory_type_id)
{
  (void)manager;
  (void)memory_type_id;
  if (memory_type != TRITONSERVER_MEMORY_CPU) {
    return tr_error(TRITONSERVER_ERROR_INVALID_ARG, "only CPU memory was allocated");
  }
  free(buffer);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendName(TRITONBACKEND_Backend *backend, const char **name)
{
  *name = backend->name;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendConfig(
    TRITONBACKEND_Backend *backend, TRITONSERVER_Message **backend_config)
{
  *backend_config = backend->config;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendExecutionPolicy(
    TRITONBACKEND_Backend *backend, TRITONBACKEND_ExecutionPolicy *policy)
{
  *policy = backend->policy;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendSetExecutionPolicy(
    TRITONBACKEND_Backend *backend, TRITONBACKEND_ExecutionPolicy policy)
{
  backend->policy = policy;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendArtifacts(
    TRITONBACKEND_Backend *backend, TRITONBACKEND_ArtifactType *artifact_type,
    const char **location)
{
  *artifact_type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  *location = backend->directory;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendMemoryManager(
    TRITONBACKEND_Backend *backend, TRITONBACKEND_MemoryManager **manager)
{
  *manager = &backend->memory;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendState(TRITONBACKEND_Backend *backend, void **state)
{
  *state = backend->state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendSetState(TRITONBACKEND_Backend *backend, void *state)
{
  backend->state = state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendAttributeAddPreferredInstanceGroup(
    TRITONBACKEND_BackendAttribute *backend_attributes, const TRITONSERVER_InstanceGroupKind kind,
    const uint64_t count, const uint64_t *device_ids, const uint64_t id_count)
{
  char text[512];
  int used = snprintf(text, sizeof(text), "%d %llu", (int)kind, (unsigned long long)count);
  for (uint64_t i = 0; i < id_count && device_ids != NULL && used < 480; i++) {
    used += snprintf(
        text + used, sizeof(text) - (size_t)used, " %llu", (unsigned long long)device_ids[i]);
  }
  tr_name_append(&backend_attributes->groups, text, 0);
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(
    TRITONBACKEND_BackendAttribute *backend_attributes, bool enabled)
{
  backend_attributes->parallel = enabled;
  return NULL;
}

/* --- opening and closing ----------------------------------------------------------------------- */

static void destroy(TRITONBACKEND_Backend *backend)
{
  if (backend->library != NULL) {
    dlclose(backend->library);
  }
  tr_names_free(backend->attributes.groups);
  TRITONSERVER_MessageDelete(backend->config);
  free(backend->directory);
  free(backend->name);
  free(backend);
}

/* A function of the library; ISO C has no cast for what dlsym gives. */
#define FIND(backend, field, name) *(void **)&(backend)->field = dlsym((backend)->library, name)

static TRITONSERVER_Error *find_functions(TRITONBACKEND_Backend *backend)
{
  FIND(backend, initialize, "TRITONBACKEND_Initialize");
  FIND(backend, finalize, "TRITONBACKEND_Finalize");
  FIND(backend, model_initialize, "TRITONBACKEND_ModelInitialize");
  FIND(backend, model_finalize, "TRITONBACKEND_ModelFinalize");
  FIND(backend, instance_initialize, "TRITONBACKEND_ModelInstanceInitialize");
  FIND(backend, instance_finalize, "TRITONBACKEND_ModelInstanceFinalize");
  FIND(backend, instance_ready, "TRITONBACKEND_ModelInstanceReady");
  FIND(backend, execute, "TRITONBACKEND_ModelInstanceExecute");
  if (backend->execute == NULL) {
    return tr_error(
        TRITONSERVER_ERROR_INVALID_ARG,
        "it does not export TRITONBACKEND_ModelInstanceExecute, so it is no Triton backend");
  }
  return NULL;
}

static TRITONSERVER_Error *read_attributes(TRITONBACKEND_Backend *backend)
{
  tr_attribute_fn ask;
  *(void **)&ask = dlsym(backend->library, "TRITONBACKEND_GetBackendAttribute");
  return ask == NULL ? NULL : ask(backend, &backend->attributes);
}

TRITONSERVER_Error *tr_backend_open(
    TRITONBACKEND_Backend **backend, const char *name, const char *file, const char *directory,
    const char *config)
{
  TRITONBACKEND_Backend *made = calloc(1, sizeof(*made));
  made->name = tr_copy(name);
  made->directory = tr_copy(directory);
  TRITONSERVER_Error *error = tr_message(&made->config, config);
  made->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (made->library == NULL) {
    error = tr_error(TRITONSERVER_ERROR_INVALID_ARG, "%s", dlerror());
  } else {
    error = find_functions(made);
  }
  if (error == NULL && made->initialize != NULL) {
    error = made->initialize(made);
  }
  if (error == NULL) {
    error = read_attributes(made);
    if (error != NULL) {
      TRITONSERVER_Error *ignored = made->finalize == NULL ? NULL : made->finalize(made);
      TRITONSERVER_ErrorDelete(ignored);
    }
  }
  if (error != NULL) {
    destroy(made);
    return error;
  }
  tr_count(&tr_living.backends, 1);
  *backend = made;
  return NULL;
}

TRITONSERVER_Error *tr_backend_finalize(TRITONBACKEND_Backend *backend)
{
  TRITONSERVER_Error *error = backend->finalize == NULL ? NULL : backend->finalize(backend);
  tr_count(&tr_living.backends, -1);
  backend->library = NULL; /* stays mapped: see above */
  destroy(backend);
  return error;
}

int32_t tr_backend_device_blocking(const TRITONBACKEND_Backend *backend)
{
  return backend->policy == TRITONBACKEND_EXECUTION_DEVICE_BLOCKING;
}

const char *tr_backend_preferred_group(TRITONBACKEND_Backend *backend, uint32_t index)
{
  tr_name *group = tr_name_at(backend->attributes.groups, index);
  return group == NULL ? NULL : group->text;
}
