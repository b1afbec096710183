/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Models.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- what a backend asks of a model ------------------------------------------------------------ */

TRITONSERVER_Error *TRITONBACKEND_ModelName(TRITONBACKEND_Model *model, const char **name)
{
  *name = model->name;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelVersion(TRITONBACKEND_Model *model, uint64_t *version)
{
  *version = model->version;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelRepository(
    TRITONBACKEND_Model *model, TRITONBACKEND_ArtifactType *artifact_type, const char **location)
{
  *artifact_type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  *location = model->repository;
  return NULL;
}

static TRITONSERVER_Error *check_version(uint32_t config_version)
{
  if (config_version == 1) {
    return NULL;
  }
  return tr_error(
      TRITONSERVER_ERROR_UNSUPPORTED, "model configuration version %u is not supported; 1 is",
      config_version);
}

TRITONSERVER_Error *TRITONBACKEND_ModelConfig(
    TRITONBACKEND_Model *model, const uint32_t config_version, TRITONSERVER_Message **model_config)
{
  TRITONSERVER_Error *error = check_version(config_version);
  return error != NULL ? error : tr_message(model_config, model->config);
}

TRITONSERVER_Error *TRITONBACKEND_ModelAutoCompleteConfig(
    TRITONBACKEND_Model *model, bool *auto_complete_config)
{
  *auto_complete_config = model->auto_complete;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelSetConfig(
    TRITONBACKEND_Model *model, const uint32_t config_version, TRITONSERVER_Message *model_config)
{
  TRITONSERVER_Error *error = check_version(config_version);
  if (error != NULL) {
    return error;
  }
  if (!model->initializing || !model->auto_complete) {
    return tr_error(
        TRITONSERVER_ERROR_UNSUPPORTED,
        "the configuration can be set only while the model initializes, with auto-complete on");
  }
  free(model->config);
  model->config = tr_copy(model_config->text);
  model->config_set = true;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelServer(
    TRITONBACKEND_Model *model, TRITONSERVER_Server **server)
{
  *server = (TRITONSERVER_Server *)model; /* what a model may ask of it depends on the model */
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelBackend(
    TRITONBACKEND_Model *model, TRITONBACKEND_Backend **backend)
{
  *backend = model->backend;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelState(TRITONBACKEND_Model *model, void **state)
{
  *state = model->state;
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelSetState(TRITONBACKEND_Model *model, void *state)
{
  model->state = state;
  return NULL;
}

TRITONSERVER_Error *tr_report_memory(
    tr_name **memory, TRITONSERVER_BufferAttributes **usage, uint32_t usage_size)
{
  tr_names_free(*memory);
  *memory = NULL;
  for (uint32_t i = 0; i < usage_size; i++) {
    char place[64];
    bool gpu = usage[i]->memory_type == TRITONSERVER_MEMORY_GPU;
    snprintf(
        place, sizeof(place), "%s %lld", gpu ? "GPU" : "CPU",
        gpu ? (long long)usage[i]->memory_type_id : 0LL);
    tr_name_append(memory, place, (int64_t)usage[i]->byte_size);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONBACKEND_ModelReportMemoryUsage(
    TRITONBACKEND_Model *model, TRITONSERVER_BufferAttributes **usage, uint32_t usage_size)
{
  return tr_report_memory(&model->memory, usage, usage_size);
}

/* --- a model's life ---------------------------------------------------------------------------- */

static void destroy_model(TRITONBACKEND_Model *model)
{
  tr_names_free(model->outputs);
  tr_names_free(model->memory);
  free(model->config);
  free(model->repository);
  free(model->name);
  free(model);
}

TRITONSERVER_Error *tr_model_open(
    TRITONBACKEND_Model **model, TRITONBACKEND_Backend *backend, const char *name,
    const char *repository, uint64_t version, const char *config, int32_t auto_complete)
{
  TRITONBACKEND_Model *made = calloc(1, sizeof(*made));
  made->backend = backend;
  made->name = tr_copy(name);
  made->repository = tr_copy(repository);
  made->version = version;
  made->config = tr_copy(config);
  made->auto_complete = auto_complete != 0;
  made->initializing = true;
  TRITONSERVER_Error *error = NULL;
  if (backend->model_initialize != NULL) {
    error = backend->model_initialize(made);
  }
  made->initializing = false;
  if (error != NULL) {
    destroy_model(made);
    return error;
  }
  tr_count(&tr_living.models, 1);
  *model = made;
  return NULL;
}

const char *tr_model_set_config(const TRITONBACKEND_Model *model)
{
  return model->config_set ? model->config : NULL;
}

void tr_model_add_output(TRITONBACKEND_Model *model, const char *name)
{
  tr_name_append(&model->outputs, name, 0);
}

const char *tr_model_memory(TRITONBACKEND_Model *model, uint32_t index, int64_t *byte_size)
{
  tr_name *found = tr_name_at(model->memory, index);
  *byte_size = found == NULL ? 0 : found->number;
  return found == NULL ? NULL : found->text;
}

TRITONSERVER_Error *tr_model_close(TRITONBACKEND_Model *model)
{
  TRITONSERVER_Error *error = NULL;
  if (model->backend->model_finalize != NULL) {
    error = model->backend->model_finalize(model);
  }
  tr_count(&tr_living.models, -1);
  destroy_model(model);
  return error;
}
