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
// further down belong to the class above. Other sizes are scaled with a Catmull-Rom filter, transparency is black, and
// of an animation the first frame is taken. Files of other kinds, and names that begin with a dot, are passed over.
func OpenImages(dir string, opt ImageOptions) (*Dataset, error) {
	d, err := openImages(dir, opt)
	if err != nil {
		return nil, fmt.Errorf("read images in %s: %w", dir, err)
	}
	return d, nil
}

func openImages(dir string, opt ImageOptions) (*Dataset, error) {
	files, err := imageFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("it has no .png, .jpg, .jpeg or .gif files")
	}
	classes, labels, err := classesOf(files)
	if err != nil {
		return nil, err
	}
	if opt.Height == 0 && opt.Width == 0 {
		c, err := imageConfig(filepath.Join(dir, files[0]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[0], err)
		}
		opt.Height, opt.Width = c.Height, c.Width
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
		if err := loadImage(filepath.Join(dir, files[i]), opt, tensor.Data[uint8](pixels)[i*size:(i+1)*size]); err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	images, err := FromPixels(pixels)
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

// imageFiles lists the image files below dir, relative to it, sorted.
func imageFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".png", ".jpg", ".jpeg", ".gif":
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// classesOf returns the classes that the first folders of files name, sorted, and the class of each file; nothing if no
// file is in a folder.
func classesOf(files []string) (classes []string, labels []int64, err error) {
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
	labels = make([]int64, len(files))
	for i, f := range folder {
		k, _ := slices.BinarySearch(classes, f)
		labels[i] = int64(k)
	}
	return classes, labels, nil
}

// imageConfig reads the size of an image and refuses one too large to decode.
func imageConfig(path string) (image.Config, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return image.Config{}, err
	}
	defer f.Close()
	return checkedConfig(f, size)
}

// checkedConfig reads the header of the image file r of size bytes.
func checkedConfig(r io.Reader, size int64) (image.Config, error) {
	c, _, err := image.DecodeConfig(r)
	if err != nil {
		return c, fmt.Errorf("not a readable image: %w", err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxImagePixels/c.Height {
		return c, fmt.Errorf("the image claims %d×%d pixels; at most %d in all are read", c.Width, c.Height, maxImagePixels)
	}
	if int64(c.Width)*int64(c.Height) > size*maxPixelsPerByte {
		return c, fmt.Errorf("the image claims %d×%d pixels, more than its %d bytes can hold: it is damaged", c.Width, c.Height, size)
	}
	return c, nil
}

// loadImage decodes the image at path and writes its pixels to dst as [channels, height, width].
func loadImage(path string, opt ImageOptions, dst []uint8) error {
	f, size, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := checkedConfig(f, size); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
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
	if opt.Crop {
		from = middle(from, opt.Height, opt.Width)
	}
	to := image.Rect(0, 0, opt.Width, opt.Height)
	var scale draw.Scaler = draw.CatmullRom
	if from.Size() == to.Size() {
		scale = draw.NearestNeighbor // the same pixels
	}
	if opt.Grey {
		out := image.NewGray(to)
		scale.Scale(out, to, img, from, draw.Src, nil)
		copy(dst, out.Pix)
		return nil
	}
	out := image.NewRGBA(to)
	scale.Scale(out, to, img, from, draw.Src, nil)
	plane := opt.Height * opt.Width
	for i := range plane {
		dst[i], dst[plane+i], dst[2*plane+i] = out.Pix[4*i], out.Pix[4*i+1], out.Pix[4*i+2]
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
