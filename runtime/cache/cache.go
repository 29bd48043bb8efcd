// Package cache says where files that can be fetched again are kept: the native runtime library and data sets.
//
// The base folder is sardonyx inside the user's cache folder ([os.UserCacheDir]), or the folder that the environment
// variable SARDONYX_CACHE names. Nothing here creates a folder: a caller that only looks must leave no trace.
package cache

import (
	"fmt"
	"os"
	"path/filepath"
)

// Env is the environment variable that replaces the base folder.
const Env = "SARDONYX_CACHE"

// Dir is the absolute path of elem, joined, below the base folder. It need not exist. It is an error if elem leads
// out of the base folder, or if there is no cache folder to be had and [Env] is not set.
func Dir(elem ...string) (string, error) {
	base := os.Getenv(Env)
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("cache: no user cache folder (set %s to a folder to use): %w", Env, err)
		}
		base = filepath.Join(user, "sardonyx")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return "", fmt.Errorf("cache: folder %q: %w", base, err)
	}
	if len(elem) == 0 {
		return base, nil
	}
	rel := filepath.Join(elem...)
	if rel != "" && !filepath.IsLocal(rel) {
		return "", fmt.Errorf("cache: %q is not a path inside the cache folder", rel)
	}
	return filepath.Join(base, rel), nil
}
