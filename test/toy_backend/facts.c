/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The toy that answers what it is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "toy.h"

static void add_fact(toy *state, const char *key, const char *value)
{
  size_t used = strlen(state->facts);
  snprintf(state->facts + used, sizeof(state->facts) - used, "%s=%s\n", key, value);
}

void model_facts(TRITONBACKEND_Model *model, toy *state)
{
  const char *text;
  char number[32];
  uint64_t version;
  size_t size;
  TRITONBACKEND_Backend *backend;
  TRITONBACKEND_ArtifactType type;
  TRITONSERVER_Message *message;
  TRITONBACKEND_ModelName(model, &text);
  add_fact(state, "model", text);
  TRITONBACKEND_ModelVersion(model, &version);
  snprintf(number, sizeof(number), "%llu", (unsigned long long)version);
  add_fact(state, "version", number);
  TRITONBACKEND_ModelRepository(model, &type, &text);
  add_fact(state, "repository", text);
  TRITONBACKEND_ModelBackend(model, &backend);
  TRITONBACKEND_BackendName(backend, &text);
  add_fact(state, "backend", text);
  TRITONBACKEND_BackendArtifacts(backend, &type, &text);
  add_fact(state, "artifacts", text);
  TRITONBACKEND_BackendConfig(backend, &message);
  TRITONSERVER_MessageSerializeToJson(message, &text, &size);
  add_fact(state, "cmdline", text);
}

static void request_facts(TRITONBACKEND_Request *request, toy *all)
{
  const char *text = "", *key;
  char number[64];
  uint32_t count, flags;
  uint64_t id = 0, timeout;
  bool cancelled;
  TRITONSERVER_ParameterType type;
  const void *value;
  TRITONBACKEND_RequestId(request, &text);
  add_fact(all, "id", text);
  TRITONSERVER_Error *error = TRITONBACKEND_RequestCorrelationIdString(request, &text);
  if (error == NULL) {
    add_fact(all, "correlation_text", text);
  } else {
    TRITONSERVER_ErrorDelete(error);
    TRITONSERVER_ErrorDelete(TRITONBACKEND_RequestCorrelationId(request, &id));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
    add_fact(all, "correlation", number);
  }
  TRITONBACKEND_RequestFlags(request, &flags);
  TRITONBACKEND_InferenceRequestTimeoutMicroseconds(request, &timeout);
  TRITONBACKEND_RequestIsCancelled(request, &cancelled);
  snprintf(
      number, sizeof(number), "%u %llu %d", flags, (unsigned long long)timeout, (int)cancelled);
  add_fact(all, "flags timeout cancelled", number);
  TRITONBACKEND_RequestParameterCount(request, &count);
  for (uint32_t i = 0; i < count; i++) {
    TRITONBACKEND_RequestParameter(request, i, &key, &type, &value);
    if (type == TRITONSERVER_PARAMETER_STRING) {
      snprintf(number, sizeof(number), "%s", (const char *)value);
    } else if (type == TRITONSERVER_PARAMETER_INT) {
      snprintf(number, sizeof(number), "%lld", (long long)*(const int64_t *)value);
    } else if (type == TRITONSERVER_PARAMETER_BOOL) {
      snprintf(number, sizeof(number), "%s", *(const bool *)value ? "true" : "false");
    } else {
      snprintf(number, sizeof(number), "%g", *(const double *)value);
    }
    add_fact(all, key, number);
  }
  TRITONBACKEND_RequestOutputCount(request, &count);
  for (uint32_t i = 0; i < count; i++) {
    TRITONBACKEND_RequestOutputName(request, i, &text);
    add_fact(all, "wants", text);
  }
}

static void instance_facts(TRITONBACKEND_ModelInstance *instance, toy *all)
{
  const char *text;
  char number[64];
  int32_t device;
  int64_t id;
  bool passive;
  uint32_t count;
  size_t size;
  TRITONSERVER_InstanceGroupKind kind;
  TRITONSERVER_Message *message;
  TRITONBACKEND_ModelInstanceName(instance, &text);
  add_fact(all, "instance", text);
  TRITONBACKEND_ModelInstanceKind(instance, &kind);
  TRITONBACKEND_ModelInstanceDeviceId(instance, &device);
  TRITONBACKEND_ModelInstanceIsPassive(instance, &passive);
  snprintf(number, sizeof(number), "%d %d %d", (int)kind, device, (int)passive);
  add_fact(all, "kind device passive", number);
  TRITONBACKEND_ModelInstanceHostPolicy(instance, &message);
  TRITONSERVER_MessageSerializeToJson(message, &text, &size);
  add_fact(all, "host_policy", text);
  TRITONBACKEND_ModelInstanceProfileCount(instance, &count);
  for (uint32_t i = 0; i < count; i++) {
    TRITONBACKEND_ModelInstanceProfileName(instance, i, &text);
    add_fact(all, "profile", text);
  }
  TRITONBACKEND_ModelInstanceSecondaryDeviceCount(instance, &count);
  for (uint32_t i = 0; i < count; i++) {
    TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(instance, i, &text, &id);
    snprintf(number, sizeof(number), "%s %lld", text, (long long)id);
    add_fact(all, "secondary", number);
  }
}

void answer_facts(
    TRITONBACKEND_ModelInstance *instance, TRITONBACKEND_Request *request,
    TRITONBACKEND_Response *response)
{
  toy all = *toy_of(instance);
  int64_t shape[2] = {1, 1};
  instance_facts(instance, &all);
  request_facts(request, &all);
  uint32_t length = (uint32_t)strlen(all.facts);
  char *to = write_output(response, "y", TRITONSERVER_TYPE_BYTES, shape, 2, length + 4);
  memcpy(to, &length, 4);
  memcpy(to + 4, all.facts, length);
  TRITONBACKEND_ResponseSetStringParameter(response, "text", "words");
  TRITONBACKEND_ResponseSetIntParameter(response, "number", -7);
  TRITONBACKEND_ResponseSetBoolParameter(response, "truth", true);
  TRITONBACKEND_ResponseSetDoubleParameter(response, "real", 0.5);
}
