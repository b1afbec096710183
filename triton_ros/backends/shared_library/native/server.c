/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * What a backend asks the server of other models.  The server's JSON is compact and in the
 * schema's order, so a value in it is found as text.
 */
#include <stdlib.h>
#include <string.h>

#include "called.h"

static TRITONSERVER_Error *control(
    TRITONSERVER_Server *server, int32_t action, const char *name, int64_t version, bool *answer)
{
  int32_t said = 0;
  TRITONSERVER_Error *error =
      tr_python.control == NULL
          ? tr_error(TRITONSERVER_ERROR_UNAVAILABLE, "the server is stopping")
          : tr_python.control(server, action, name, version, &said);
  *answer = said != 0;
  return error;
}

TRITONSERVER_Error *TRITONSERVER_ServerModelIsReady(
    TRITONSERVER_Server *server, const char *model_name, const int64_t model_version, bool *ready)
{
  return control(server, 0, model_name, model_version, ready);
}

TRITONSERVER_Error *TRITONSERVER_ServerLoadModel(
    TRITONSERVER_Server *server, const char *model_name)
{
  bool ignored;
  return control(server, 1, model_name, -1, &ignored);
}

TRITONSERVER_Error *TRITONSERVER_ServerUnloadModel(
    TRITONSERVER_Server *server, const char *model_name)
{
  bool ignored;
  return control(server, 2, model_name, -1, &ignored);
}

TRITONSERVER_Error *TRITONSERVER_ServerIsLive(TRITONSERVER_Server *server, bool *live)
{
  (void)server;
  *live = true;
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_ServerIsReady(TRITONSERVER_Server *server, bool *ready)
{
  return TRITONSERVER_ServerIsLive(server, ready);
}

TRITONSERVER_Error *TRITONSERVER_ServerModelConfig(
    TRITONSERVER_Server *server, const char *model_name, const int64_t model_version,
    const uint32_t config_version, TRITONSERVER_Message **model_config)
{
  if (config_version != 1) {
    return tr_error(
        TRITONSERVER_ERROR_UNSUPPORTED, "model configuration version %u is not supported; 1 is",
        config_version);
  }
  return tr_python.config == NULL
             ? tr_error(TRITONSERVER_ERROR_UNAVAILABLE, "the server is stopping")
             : tr_python.config(server, model_name, model_version, model_config);
}

/* Whether the configuration has this text in it. */
static TRITONSERVER_Error *has(
    TRITONSERVER_Server *server, const char *name, int64_t version, const char *text, bool *found)
{
  TRITONSERVER_Message *message = NULL;
  TRITONSERVER_Error *error =
      TRITONSERVER_ServerModelConfig(server, name, version, 1, &message);
  *found = error == NULL && strstr(message->text, text) != NULL;
  TRITONSERVER_MessageDelete(message);
  return error;
}

TRITONSERVER_Error *TRITONSERVER_ServerModelTransactionProperties(
    TRITONSERVER_Server *server, const char *model_name, const int64_t model_version,
    uint32_t *txn_flags, void **voidp)
{
  bool decoupled;
  TRITONSERVER_Error *error =
      has(server, model_name, model_version, "\"decoupled\":true", &decoupled);
  *txn_flags = decoupled ? TRITONSERVER_TXN_DECOUPLED : TRITONSERVER_TXN_ONE_TO_ONE;
  if (voidp != NULL) {
    *voidp = NULL;
  }
  return error;
}

TRITONSERVER_Error *TRITONSERVER_ServerModelBatchProperties(
    TRITONSERVER_Server *server, const char *model_name, const int64_t model_version,
    uint32_t *flags, void **voidp)
{
  bool unbatched;
  TRITONSERVER_Error *error =
      has(server, model_name, model_version, "\"max_batch_size\":0,", &unbatched);
  *flags = unbatched ? TRITONSERVER_BATCH_UNKNOWN : TRITONSERVER_BATCH_FIRST_DIM;
  if (voidp != NULL) {
    *voidp = NULL;
  }
  return error;
}
