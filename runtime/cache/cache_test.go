package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDir(t *testing.T) {
	base := t.TempDir()
	t.Setenv(Env, base)
	for _, c := range []struct {
		elem []string
		want string // below base; "!" for an error
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"data", "mnist"}, "data/mnist"},
		{[]string{"a", "..", "b"}, "b"},
		{[]string{"..", "b"}, "!"},
		{[]string{"a", "../../b"}, "!"},
		{[]string{string(filepath.Separator) + "etc"}, "!"},
	} {
		got, err := Dir(c.elem...)
		if c.want == "!" {
			if err == nil {
				t.Errorf("Dir(%q) = %q, want an error", c.elem, got)
			}
			continue
		}
		if want := filepath.Join(base, filepath.FromSlash(c.want)); err != nil || got != want {
			t.Errorf("Dir(%q) = %q, %v, want %q", c.elem, got, err, want)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("Dir left %v behind (%v)", left, err)
	}
}

func TestDirDefault(t *testing.T) {
	t.Setenv(Env, "")
	user, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no user cache folder here: ", err)
	}
	if got, err := Dir("x"); err != nil || got != filepath.Join(user, "sardonyx", "x") {
		t.Errorf("Dir(x) = %q, %v", got, err)
	}
}

func TestDirRelativeBase(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(Env, "here")
	if got, err := Dir("x"); err != nil || !filepath.IsAbs(got) || !strings.HasSuffix(got, filepath.Join("here", "x")) {
		t.Errorf("Dir(x) = %q, %v, want an absolute path", got, err)
	}
}
