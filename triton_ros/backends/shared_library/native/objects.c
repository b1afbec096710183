/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Objects of the API: parameters, messages, buffer attributes.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* --- parameters -------------------------------------------------------------------------------- */

tr_value *tr_value_new(const char *name, int32_t type, const void *value, uint64_t byte_size)
{
  tr_value *made = calloc(1, sizeof(*made));
  made->name = tr_copy(name);
  made->type = type;
  switch (type) {
    case TRITONSERVER_PARAMETER_STRING:
      made->text = tr_copy(value == NULL ? "" : value);
      made->byte_size = strlen(made->text);
      break;
    case TRITONSERVER_PARAMETER_INT:
      made->integer = *(const int64_t *)value;
      break;
    case TRITONSERVER_PARAMETER_BOOL:
      made->boolean = *(const bool *)value;
      break;
    case TRITONSERVER_PARAMETER_DOUBLE:
      made->real = *(const double *)value;
      break;
    default:
      made->text = malloc(byte_size ? byte_size : 1);
      memcpy(made->text, value, byte_size);
      made->byte_size = byte_size;
  }
  return made;
}

const void *tr_value_pointer(const tr_value *value)
{
  switch (value->type) {
    case TRITONSERVER_PARAMETER_INT:
      return &value->integer;
    case TRITONSERVER_PARAMETER_BOOL:
      return &value->boolean;
    case TRITONSERVER_PARAMETER_DOUBLE:
      return &value->real;
    default:
      return value->text;
  }
}

void tr_values_free(tr_value *values)
{
  while (values != NULL) {
    tr_value *next = values->next;
    free(values->name);
    free(values->text);
    free(values);
    values = next;
  }
}

TRITONSERVER_Parameter *TRITONSERVER_ParameterNew(
    const char *name, const TRITONSERVER_ParameterType type, const void *value)
{
  if (type == TRITONSERVER_PARAMETER_BYTES) { /* its size would be missing */
    return NULL;
  }
  return (TRITONSERVER_Parameter *)tr_value_new(name, (int32_t)type, value, 0);
}

TRITONSERVER_Parameter *TRITONSERVER_ParameterBytesNew(
    const char *name, const void *byte_ptr, const uint64_t size)
{
  return (TRITONSERVER_Parameter *)tr_value_new(
      name, TRITONSERVER_PARAMETER_BYTES, byte_ptr, size);
}

void TRITONSERVER_ParameterDelete(TRITONSERVER_Parameter *parameter)
{
  tr_values_free((tr_value *)parameter);
}

/* --- messages ---------------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_MessageNewFromSerializedJson(
    TRITONSERVER_Message **message, const char *base, size_t byte_size)
{
  TRITONSERVER_Message *made = calloc(1, sizeof(*made));
  made->text = calloc(1, byte_size + 1);
  memcpy(made->text, base, byte_size);
  made->byte_size = byte_size;
  *message = made;
  return NULL;
}

TRITONSERVER_Error *tr_message(TRITONSERVER_Message **message, const char *text)
{
  return TRITONSERVER_MessageNewFromSerializedJson(message, text, strlen(text));
}

TRITONSERVER_Error *TRITONSERVER_MessageDelete(TRITONSERVER_Message *message)
{
  if (message != NULL) {
    free(message->text);
    free(message);
  }
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_MessageSerializeToJson(
    TRITONSERVER_Message *message, const char **base, size_t *byte_size)
{
  *base = message->text;
  *byte_size = message->byte_size;
  return NULL;
}

/* --- buffer attributes ------------------------------------------------------------------------- */

TRITONSERVER_Error *TRITONSERVER_BufferAttributesNew(TRITONSERVER_BufferAttributes **attributes)
{
  *attributes = calloc(1, sizeof(**attributes));
  return NULL;
}

TRITONSERVER_Error *TRITONSERVER_BufferAttributesDelete(TRITONSERVER_BufferAttributes *attributes)
{
  free(attributes);
  return NULL;
}

TRITONSERVER_Error *tr_cpu_attributes(TRITONSERVER_BufferAttributes **cached, uint64_t byte_size)
{
  if (*cached == NULL) {
    TRITONSERVER_BufferAttributesNew(cached);
  }
  (*cached)->byte_size = byte_size;
  return NULL;
}

#define FIELD(Name, type, field)                                    \
  TRITONSERVER_Error *TRITONSERVER_BufferAttributesSet##Name(       \
      TRITONSERVER_BufferAttributes *attributes, type field)        \
  {                                                                 \
    attributes->field = field;                                      \
    return NULL;                                                    \
  }                                                                 \
  TRITONSERVER_Error *TRITONSERVER_BufferAttributes##Name(          \
      TRITONSERVER_BufferAttributes *attributes, type *field)       \
  {                                                                 \
    *field = attributes->field;                                     \
    return NULL;                                                    \
  }

FIELD(MemoryTypeId, int64_t, memory_type_id)
FIELD(MemoryType, TRITONSERVER_MemoryType, memory_type)
FIELD(CudaIpcHandle, void *, cuda_ipc_handle)
FIELD(ByteSize, size_t, byte_size)
