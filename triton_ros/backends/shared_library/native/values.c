/* Copyright 2026 triton_ros contributors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Words, errors, the log, and the tools of the other files.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

tr_counters tr_living;
tr_callbacks tr_python;
static uint32_t log_levels;

/* --- small tools ------------------------------------------------------------------------------- */

void tr_count(int64_t *counter, int64_t by) { __atomic_add_fetch(counter, by, __ATOMIC_RELAXED); }

char *tr_copy(const char *text)
{
  return text == NULL ? NULL : strdup(text);
}

int64_t *tr_copy_shape(const int64_t *shape, uint32_t rank)
{
  int64_t *copy = calloc(rank ? rank : 1, sizeof(int64_t));
  if (rank) {
    memcpy(copy, shape, rank * sizeof(int64_t));
  }
  return copy;
}

void *tr_allocate(uint64_t byte_size)
{
  void *memory = NULL;
  return posix_memalign(&memory, 64, byte_size ? byte_size : 1) == 0 ? memory : NULL;
}

void tr_free(void *memory) { free(memory); }

void tr_name_append(tr_name **names, const char *text, int64_t number)
{
  while (*names != NULL) {
    names = &(*names)->next;
  }
  *names = calloc(1, sizeof(tr_name));
  (*names)->text = tr_copy(text);
  (*names)->number = number;
}

tr_name *tr_name_at(tr_name *names, uint32_t index)
{
  while (names != NULL && index-- > 0) {
    names = names->next;
  }
  return names;
}

uint32_t tr_names_count(const tr_name *names)
{
  uint32_t count = 0;
  for (; names != NULL; names = names->next) {
    count++;
  }
  return count;
}

void tr_names_free(tr_name *names)
{
  while (names != NULL) {
    tr_name *next = names->next;
    free(names->text);
    free(names);
    names = next;
  }
}

/* --- words ------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  uint32_t byte_size;
} DATATYPES[] = {
    {"<invalid>", 0}, {"BOOL", 1},  {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4},
    {"UINT64", 8},    {"INT8", 1},  {"INT16", 2}, {"INT32", 4},  {"INT64", 8},
    {"FP16", 2},      {"FP32", 4},  {"FP64", 8},  {"BYTES", 0},  {"BF16", 2},
};

static bool known_type(int datatype)
{
  return datatype > 0 && datatype < (int)(sizeof(DATATYPES) / sizeof(DATATYPES[0]));
}

TRITONSERVER_Error *TRITONSERVER_ApiVersion(uint32_t *major, uint32_t *minor)
{
  *major = TRITONSERVER_API_VERSION_MAJOR;
  *minor = TRITONSERVER_API_VERSION_MINOR;
  return NULL;
}

const char *TRITONSERVER_DataTypeString(TRITONSERVER_DataType datatype)
{
  return DATATYPES[known_type((int)datatype) ? datatype : 0].name;
}

TRITONSERVER_DataType TRITONSERVER_StringToDataType(const char *dtype)
{
  for (int i = 1; known_type(i); i++) {
    if (strcmp(DATATYPES[i].name, dtype) == 0) {
      return (TRITONSERVER_DataType)i;
    }
  }
  return TRITONSERVER_TYPE_INVALID;
}

uint32_t TRITONSERVER_DataTypeByteSize(TRITONSERVER_DataType datatype)
{
  return DATATYPES[known_type((int)datatype) ? datatype : 0].byte_size;
}

static const char *word(const char *const *words, unsigned count, unsigned index)
{
  return index < count ? words[index] : "<invalid>";
}
#define WORD(words, index) word(words, sizeof(words) / sizeof((words)[0]), (unsigned)(index))

const char *TRITONSERVER_MemoryTypeString(TRITONSERVER_MemoryType memtype)
{
  static const char *const words[] = {"CPU", "CPU_PINNED", "GPU"};
  return WORD(words, memtype);
}

const char *TRITONSERVER_ParameterTypeString(TRITONSERVER_ParameterType paramtype)
{
  static const char *const words[] = {"STRING", "INT", "BOOL", "DOUBLE", "BYTES"};
  return WORD(words, paramtype);
}

const char *TRITONSERVER_InstanceGroupKindString(TRITONSERVER_InstanceGroupKind kind)
{
  static const char *const words[] = {"AUTO", "CPU", "GPU", "MODEL"};
  return WORD(words, kind);
}

/* --- errors ------------------------------------------------------------------------------------ */

TRITONSERVER_Error *TRITONSERVER_ErrorNew(TRITONSERVER_Error_Code code, const char *msg)
{
  TRITONSERVER_Error *error = calloc(1, sizeof(*error));
  error->code = code;
  error->message = tr_copy(msg == NULL ? "" : msg);
  return error;
}

TRITONSERVER_Error *tr_error(TRITONSERVER_Error_Code code, const char *format, ...)
{
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return TRITONSERVER_ErrorNew(code, text);
}

void TRITONSERVER_ErrorDelete(TRITONSERVER_Error *error)
{
  if (error != NULL) {
    free(error->message);
    free(error);
  }
}

TRITONSERVER_Error_Code TRITONSERVER_ErrorCode(TRITONSERVER_Error *error) { return error->code; }

const char *TRITONSERVER_ErrorCodeString(TRITONSERVER_Error *error)
{
  static const char *const words[] = {"Unknown",     "Internal",    "Not found",
                                      "Invalid argument", "Unavailable", "Unsupported",
                                      "Already exists",   "Cancelled"};
  return WORD(words, error->code);
}

const char *TRITONSERVER_ErrorMessage(TRITONSERVER_Error *error) { return error->message; }

/* --- log --------------------------------------------------------------------------------------- */

void tr_set_callbacks(const tr_callbacks *callbacks)
{
  tr_callbacks none = {0};
  tr_python = callbacks == NULL ? none : *callbacks;
}

void tr_set_log_levels(uint32_t levels)
{
  __atomic_store_n(&log_levels, levels, __ATOMIC_RELAXED);
}

bool TRITONSERVER_LogIsEnabled(TRITONSERVER_LogLevel level)
{
  uint32_t levels = __atomic_load_n(&log_levels, __ATOMIC_RELAXED);
  return (unsigned)level < 32 && (levels >> level & 1u) != 0;
}

TRITONSERVER_Error *TRITONSERVER_LogMessage(
    TRITONSERVER_LogLevel level, const char *filename, const int line, const char *msg)
{
  if (TRITONSERVER_LogIsEnabled(level) && tr_python.log != NULL) {
    tr_python.log((int32_t)level, filename == NULL ? "" : filename, line, msg == NULL ? "" : msg);
  }
  return NULL;
}
