// Memory in huge pages for onnxruntime, on Linux.
#ifndef SARDONYX_ONNXRUNTIME_PAGES
#define SARDONYX_ONNXRUNTIME_PAGES

// pages is an allocator of onnxruntime's C API, of which memory describes host memory.
void *pages(void *memory);

#endif
