//go:build cgo

#include "capi.h"

void **onnxruntime_api; // set once, by start_api
