// The functions of onnxruntime's C API that this package calls, by their places in its table; no header of onnxruntime's is needed.
#ifndef SARDONYX_ONNXRUNTIME_API
#define SARDONYX_ONNXRUNTIME_API

#include <stdint.h>
#include <stdlib.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

// The C API of onnxruntime is a table of functions, to which later versions only add: each keeps its place.
typedef void *status; // NULL, or an error
typedef struct { void *(*api)(uint32_t version); const char *(*version)(void); } api_base;
extern void **onnxruntime_api;
#define AS(place, result, ...) ((result (*)(__VA_ARGS__))onnxruntime_api[place])

// start_api finds the table in the library at path, and loads it if the process has not. It returns what is wrong, or NULL.
static const char *start_api(const char *path, uint32_t version) {
#ifdef _WIN32
	HMODULE lib = LoadLibraryA(path);
	if (!lib) return "it cannot be loaded";
	api_base *(*base)(void) = (api_base *(*)(void))(void *)GetProcAddress(lib, "OrtGetApiBase");
#else
	void *lib = dlopen(path, RTLD_LAZY);
	if (!lib) return dlerror();
	api_base *(*base)(void) = (api_base *(*)(void))dlsym(lib, "OrtGetApiBase");
#endif
	if (!base) return "it is no onnxruntime: it has no OrtGetApiBase";
	onnxruntime_api = base()->api(version);
	return onnxruntime_api ? NULL : "it is older than the C API that is asked for";
}

static const char *message(status s) { return AS(2, const char *, void *)(s); }
static void release(int place, void *p) { AS(place, void, void *)(p); }

static status create_env(void **env) { return AS(3, status, int, const char *, void **)(4, "sardonyx", env); } // which logs what is fatal: errors come back
static status create_options(void **o) { return AS(10, status, void **)(o); }
static status set_log(void *o, int level) { return AS(22, status, void *, int)(o, level); }
static status set_optimizations(void *o, int level) { return AS(23, status, void *, int)(o, level); }
static status set_threads(void *o, int n) { return AS(24, status, void *, int)(o, n); }
static status set_size(void *o, const char *symbol, int64_t n) { return AS(124, status, void *, const char *, int64_t)(o, symbol, n); }
static status set_entry(void *o, const char *key, const char *v) { return AS(130, status, void *, const char *, const char *)(o, key, v); }
static status create_session(void *env, const void *model, size_t n, void *o, void **s) {
	return AS(8, status, void *, const void *, size_t, void *, void **)(env, model, n, o, s);
}

static status assigned(void *s, void ***parts, size_t *n) { return AS(407, status, void *, void ***, size_t *)(s, parts, n); }
static status part_provider(void *part, char **name) { return AS(408, status, void *, char **)(part, name); }
static status part_nodes(void *part, void ***nodes, size_t *n) { return AS(409, status, void *, void ***, size_t *)(part, nodes, n); }
static status node_name(void *node, char **name) { return AS(410, status, void *, char **)(node, name); }
static status node_operator(void *node, char **name) { return AS(412, status, void *, char **)(node, name); }

static status create_run(void **o) { return AS(39, status, void **)(o); }
static status set_run_entry(void *o, const char *key, const char *v) { return AS(165, status, void *, const char *, const char *)(o, key, v); }
static status set_terminate(void *o, int on) { return AS(on ? 46 : 47, status, void *)(o); }
static status run(void *s, void *o, char **in, void **inputs, size_t ni, char **out, size_t no, void **outputs) {
	return AS(9, status, void *, void *, char **, void **, size_t, char **, size_t, void **)(s, o, in, inputs, ni, out, no, outputs);
}

static status default_allocator(void **a) { return AS(78, status, void **)(a); }
static status create_memory(const char *name, int id, void **m) {
	return AS(68, status, const char *, int, int, int, void **)(name, 0, id, 0, m);
}
static status register_allocator(void *env, void *a) { return AS(176, status, void *, void *)(env, a); }
static status session_allocator(void *s, void *m, void **a) { return AS(131, status, void *, void *, void **)(s, m, a); }
static status cuda_options(void **c) { return AS(205, status, void **)(c); }
static status set_cuda(void *c, char **keys, char **values, size_t n) { return AS(206, status, void *, char **, char **, size_t)(c, keys, values, n); }
static status append_cuda(void *o, void *c) { return AS(204, status, void *, void *)(o, c); }
static status register_provider(void *env, const char *name, const void *path) {
	return AS(301, status, void *, const char *, const void *)(env, name, path);
}
static status create_tensor(void *a, const int64_t *shape, size_t rank, int t, void **v) {
	return AS(48, status, void *, const int64_t *, size_t, int, void **)(a, shape, rank, t, v);
}
static status wrap_tensor(void *m, void *data, size_t n, const int64_t *shape, size_t rank, int t, void **v) {
	return AS(49, status, void *, void *, size_t, const int64_t *, size_t, int, void **)(m, data, n, shape, rank, t, v);
}
static status tensor_data(void *v, void **data) { return AS(51, status, void *, void **)(v, data); }
static status tensor_info(void *v, void **info) { return AS(65, status, void *, void **)(v, info); }
static status tensor_type(void *info, int *t) { return AS(60, status, void *, int *)(info, t); }
static status tensor_rank(void *info, size_t *n) { return AS(61, status, void *, size_t *)(info, n); }
static status tensor_shape(void *info, int64_t *shape, size_t n) { return AS(62, status, void *, int64_t *, size_t)(info, shape, n); }
static status copy_tensors(void *env, void **from, void **to, size_t n) {
	return AS(386, status, void *, void **, void **, void *, size_t)(env, from, to, NULL, n);
}

static status enable_profiling(void *o, const void *prefix) { return AS(14, status, void *, const void *)(o, prefix); }
static status set_inter_threads(void *o, int n) { return AS(25, status, void *, int)(o, n); }

#endif
