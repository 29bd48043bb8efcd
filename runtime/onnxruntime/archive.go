package onnxruntime

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Bounds on what an archive may hold: far over the real ones, far under what would harm the machine.
const (
	maxArchiveEntries  = 100_000
	maxArchiveUnpacked = 4 << 30 // bytes
	maxArchiveFile     = 2 << 30 // bytes, a whole archive as downloaded
)

var errNoMember = errors.New("there is no such file in the archive")

// extract copies the first regular file of the archive whose path is one of members to w, at most limit bytes of it.
// name tells zip from tar by its ending; size is the archive's. Nothing is unpacked to the paths an archive states.
func extract(w io.Writer, r io.ReaderAt, size int64, name string, members []string, limit int64) error {
	if strings.HasSuffix(name, ".zip") {
		return extractZip(w, r, size, members, limit)
	}
	return extractTar(w, io.NewSectionReader(r, 0, size), members, limit)
}

func extractTar(w io.Writer, r io.Reader, members []string, limit int64) error {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	defer zr.Close()
	bounded := &io.LimitedReader{R: zr, N: maxArchiveUnpacked}
	tr := tar.NewReader(bounded)
	for range maxArchiveEntries {
		h, err := tr.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: %s", errNoMember, strings.Join(members, " or "))
		}
		if err != nil {
			if bounded.N <= 0 {
				return fmt.Errorf("the archive unpacks to more than %d bytes", int64(maxArchiveUnpacked))
			}
			return fmt.Errorf("reading the archive: %w", err)
		}
		if h.Typeflag == tar.TypeReg && slices.Contains(members, path.Clean(h.Name)) {
			return copyMember(w, tr, h.Name, h.Size, limit)
		}
	}
	return fmt.Errorf("the archive has more than %d files", maxArchiveEntries)
}

func extractZip(w io.Writer, r io.ReaderAt, size int64, members []string, limit int64) error {
	zr, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	for _, f := range zr.File {
		if !f.Mode().IsRegular() || !slices.Contains(members, path.Clean(f.Name)) {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return fmt.Errorf("reading %s in the archive: %w", f.Name, err)
		}
		defer in.Close()
		return copyMember(w, in, f.Name, int64(min(f.UncompressedSize64, 1<<62)), limit)
	}
	return fmt.Errorf("%w: %s", errNoMember, strings.Join(members, " or "))
}

// copyMember copies one file out of an archive: no more than limit bytes, whatever size it states.
func copyMember(w io.Writer, r io.Reader, name string, size, limit int64) error {
	if size > limit {
		return fmt.Errorf("%s in the archive has %d bytes, more than the %d of the pinned library", name, size, limit)
	}
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", name, err)
	}
	if n > limit {
		return fmt.Errorf("%s in the archive has more than the %d bytes of the pinned library", name, limit)
	}
	return nil
}
