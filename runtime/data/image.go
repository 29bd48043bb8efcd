package data

import (
	"fmt"
	"image"
	_ "image/gif" // the formats that OpenImages reads
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/image/draw"

	"github.com/sardonyx-ml/sardonyx/exporters/elements"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// What an image's header may claim before it is decoded: maxImagePixels in all, and maxPixelsPerByte of the file (8
// pixels of one bit in a byte of a PNG, deflated; JPEG and GIF stay below that). maxPixelBytes is for a whole folder, whose
// first image may decide the size of all.
const (
	maxImagePixels   = 1 << 26
	maxPixelsPerByte = 8 * elements.MaxInflation
	maxPixelBytes    = 16 << 30
)

// ImageOptions says how [OpenImages] delivers images.
type ImageOptions struct {
	Height, Width int  // pixels; both 0 means the size of the first image
	Grey          bool // one channel of luma instead of red, green, blue
	Crop          bool // cut the middle of the wanted aspect ratio out before scaling; else images are stretched
}

// OpenImages reads a folder of PNG, JPEG and GIF files into memory as 8-bit pixels, in the order of their paths. Field
// "image" is f32 in [0, 1] of shape [channels, height, width]. If the images are in subfolders, each is a class: field
// "label" is i64, the place of the subfolder in alphabetical order, and Classes has their names; images in folders
// further down belong to the class above. Images are turned as their EXIF orientation says, other sizes are scaled with a
// Catmull-Rom filter, transparency is black, and of an animation the first frame is taken. Files that are no images, and names that
// begin with a dot, are passed over; a subfolder without images, or an image of a format that is not read, is an error.
func OpenImages(dir string, opt ImageOptions) (*Dataset, error) {
	d, err := openImages(dir, opt, nil)
	if err != nil {
		return nil, fmt.Errorf("read images in %s: %w", dir, err)
	}
	return d, nil
}

// openImages reads a folder of images. If known is not nil, its classes are among those.
func openImages(dir string, opt ImageOptions, known []string) (*Dataset, error) {
	dir, err := filepath.EvalSymlinks(dir) // the folder itself may be a link
	if err != nil {
		return nil, err
	}
	files, err := imageFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("it has no .png, .jpg, .jpeg or .gif files")
	}
	classes, labels, err := classesOf(files, known)
	if err != nil {
		return nil, err
	}
	images, err := readImages(dir, files, &opt)
	if err != nil {
		return nil, err
	}
	fields := []Field{{"image", images}}
	if classes != nil {
		src, err := FromLabels(tensor.Of(labels, len(labels)))
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{"label", src})
	}
	d, err := New(fields...)
	if err != nil {
		return nil, err
	}
	d.Classes = classes
	return d, nil
}

// readImages reads the images files of the folder dir into memory. If opt has no size it gets that of the first.
func readImages(dir string, files []string, opt *ImageOptions) (Source, error) {
	if opt.Height == 0 && opt.Width == 0 {
		var err error
		if opt.Height, opt.Width, err = imageSize(filepath.Join(dir, files[0])); err != nil {
			return nil, fmt.Errorf("%s: %w", files[0], err)
		}
	}
	if opt.Height <= 0 || opt.Width <= 0 {
		return nil, fmt.Errorf("images of %d×%d pixels (height × width) cannot be made", opt.Height, opt.Width)
	}
	channels := 3
	if opt.Grey {
		channels = 1
	}
	shape := []int{len(files), channels, opt.Height, opt.Width}
	total, err := tensor.Count(shape)
	if err != nil {
		return nil, err
	}
	if int64(total) > maxPixelBytes {
		return nil, fmt.Errorf("%d images of %d×%d pixels take %.1f GB, and at most %.1f are read into memory: choose a smaller size or fewer images",
			len(files), opt.Height, opt.Width, float64(total)/1e9, float64(maxPixelBytes)/1e9)
	}
	size := total / len(files)
	pixels := tensor.New(tensor.U8, shape...)
	err = forEach(len(files), func(i int) error {
		if err := loadImage(filepath.Join(dir, files[i]), *opt, tensor.Data[uint8](pixels)[i*size:(i+1)*size]); err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return FromPixels(pixels)
}

// IsImage reports whether a file of this name is one that [ReadImage] reads.
func IsImage(name string) bool { return readable(name) }

// readable reports whether name is one of an image in a format that is read.
func readable(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg", ".gif"}, strings.ToLower(filepath.Ext(name)))
}

// unreadable reports whether name is one of an image in another format.
func unreadable(name string) bool {
	return slices.Contains([]string{".avif", ".bmp", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jxl", ".pgm", ".ppm", ".tif", ".tiff", ".webp"},
		strings.ToLower(filepath.Ext(name)))
}

// imageFiles lists the image files below dir, relative to it, sorted. What seems to be meant as a part of the data and cannot be read
// is an error: a data set that is smaller than it looks would be noticed by nobody.
func imageFiles(dir string) ([]string, error) {
	var files, folders []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case e.IsDir():
			if rel != "." && !strings.Contains(rel, "/") {
				folders = append(folders, rel)
			}
		case e.Type()&fs.ModeSymlink != 0 && isDir(path):
			return fmt.Errorf("%s is a link to a folder, which is not followed: put the folder itself there", rel)
		case readable(rel):
			files = append(files, rel)
		case unreadable(rel):
			return fmt.Errorf("%s: images of this format are not read: convert it to PNG or JPEG, or move it away", rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, f := range folders {
		if i, _ := slices.BinarySearch(files, f+"/"); len(files) > 0 && (i == len(files) || !strings.HasPrefix(files[i], f+"/")) {
			return nil, fmt.Errorf("its subfolder %s has no images: move it away, or begin its name with a dot", f)
		}
	}
	return files, nil
}

// classesOf returns the classes that the first folders of files name, sorted, and the class of each file; nothing if no
// file is in a folder. If known is not nil, those are the classes.
func classesOf(files, known []string) (classes []string, labels []int64, err error) {
	folder := make([]string, len(files))
	for i, f := range files {
		if dir, _, ok := strings.Cut(f, "/"); ok {
			folder[i] = dir
		}
	}
	classes = slices.Clone(folder)
	slices.Sort(classes)
	classes = slices.Compact(classes)
	if classes[0] == "" {
		if len(classes) > 1 {
			return nil, nil, fmt.Errorf("some images (%s) are in the folder itself and others in subfolders (%s): "+
				"put every image into the subfolder of its class, or all into one folder", files[slices.Index(folder, "")], classes[1])
		}
		return nil, nil, nil
	}
	if known != nil {
		for _, c := range classes {
			if !slices.Contains(known, c) {
				return nil, nil, fmt.Errorf("the class %s is not among those that are trained: %s", c, some(known))
			}
		}
		classes = known
	}
	labels = make([]int64, len(files))
	for i, f := range folder {
		k, _ := slices.BinarySearch(classes, f)
		labels[i] = int64(k)
	}
	return classes, labels, nil
}

// ReadImage reads one image file as [OpenImages] does those of a folder: f32 in [0, 1] of shape [1, channels, height, width].
func ReadImage(path string, opt ImageOptions) (*tensor.Tensor, error) {
	src, err := readImages("", []string{path}, &opt)
	if err != nil {
		return nil, fmt.Errorf("read image %w", err)
	}
	x := tensor.New(tensor.F32, append([]int{1}, src.Shape()...)...)
	return x, src.Gather(x, []int{0})
}

// ImageSize is the size in which the image file at path is viewed, from its header alone.
func ImageSize(path string) (height, width int, err error) {
	if height, width, err = imageSize(path); err != nil {
		return 0, 0, fmt.Errorf("read image %s: %w", path, err)
	}
	return height, width, nil
}

// imageSize is the size in which the image at path is viewed.
func imageSize(path string) (height, width int, err error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	c, o, err := checkedHeader(f, size)
	if o.swaps() {
		return c.Width, c.Height, err
	}
	return c.Height, c.Width, err
}

// checkedHeader reads the header and the orientation of the image file r of size bytes, and refuses an image too large to
// decode. It leaves r at its beginning.
func checkedHeader(r io.ReadSeeker, size int64) (image.Config, orientation, error) {
	c, format, err := image.DecodeConfig(r)
	if err != nil {
		return c, upright, fmt.Errorf("not a readable image: %w", err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxImagePixels/c.Height {
		return c, upright, fmt.Errorf("the image claims %d×%d pixels; at most %d in all are read", c.Width, c.Height, maxImagePixels)
	}
	if int64(c.Width)*int64(c.Height) > size*maxPixelsPerByte {
		return c, upright, fmt.Errorf("the image claims %d×%d pixels, more than its %d bytes can hold: it is damaged", c.Width, c.Height, size)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return c, upright, err
	}
	o := orientationOf(r, format)
	_, err = r.Seek(0, io.SeekStart)
	return c, o, err
}

// loadImage decodes the image at path and writes its pixels to dst as [channels, height, width].
func loadImage(path string, opt ImageOptions, dst []uint8) error {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, o, err := checkedHeader(f, size)
	if err != nil {
		return err
	}
	img, _, err := image.Decode(f)
	if err != nil {
		return fmt.Errorf("not a readable image: %w", err)
	}
	from := img.Bounds()
	if from.Empty() {
		return fmt.Errorf("the image has no pixels")
	}
	width, height := opt.Width, opt.Height // as stored: turned later, when the pixels are few
	if o.swaps() {
		width, height = height, width
	}
	if opt.Crop {
		from = middle(from, height, width)
	}
	to := image.Rect(0, 0, width, height)
	var scale draw.Scaler = draw.CatmullRom
	if from.Size() == to.Size() {
		scale = draw.NearestNeighbor // the same pixels
	}
	if opt.Grey {
		out := image.NewGray(to)
		scale.Scale(out, to, img, from, draw.Src, nil)
		for i := range dst {
			x, y := o.stored(i%opt.Width, i/opt.Width, opt.Width, opt.Height)
			dst[i] = out.Pix[y*out.Stride+x]
		}
		return nil
	}
	out := image.NewRGBA(to)
	scale.Scale(out, to, img, from, draw.Src, nil)
	plane := opt.Height * opt.Width
	for i := range plane {
		x, y := o.stored(i%opt.Width, i/opt.Width, opt.Width, opt.Height)
		p := out.Pix[y*out.Stride+4*x:]
		dst[i], dst[plane+i], dst[2*plane+i] = p[0], p[1], p[2]
	}
	return nil
}

// middle is the largest part of r in its middle with the aspect ratio of height and width.
func middle(r image.Rectangle, height, width int) image.Rectangle {
	w, h := r.Dx(), r.Dy()
	if w*height > h*width {
		w = max(1, h*width/height)
	} else {
		h = max(1, w*height/width)
	}
	at := r.Min.Add(image.Pt((r.Dx()-w)/2, (r.Dy()-h)/2))
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}
}

// forEach calls do with 0 to n-1 on all processors. After an error it starts no more, and returns the error of the
// smallest number that failed.
func forEach(n int, do func(i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		errs   = make([]error, n)
		wg     sync.WaitGroup
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
