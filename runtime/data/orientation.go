package data

import (
	"io"

	"github.com/bep/imagemeta"
)

// An orientation is how an image is to be turned for viewing: the value of EXIF's tag Orientation, 1 to 8 (EXIF 2.32, 4.6.4 A).
type orientation int

// upright is an image that is viewed as it is stored.
const upright orientation = 1

// orientationOf reads the orientation of an image file in the format that package image calls format. Where there is none, or its
// metadata is damaged, it is upright: the pixels are good all the same.
func orientationOf(r io.ReadSeeker, format string) orientation {
	kinds := map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG}
	kind, ok := kinds[format]
	if !ok {
		return upright
	}
	found := upright
	_, _ = imagemeta.Decode(imagemeta.Options{
		R: r, ImageFormat: kind, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Namespace == "IFD0" && tag.Tag == "Orientation" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if v, ok := tag.Value.(uint16); ok && v >= 1 && v <= 8 {
				found = orientation(v)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return found
}

// swaps reports whether width and height change places.
func (o orientation) swaps() bool { return o >= 5 }

// stored is the place, as stored, of the pixel that is viewed at x, y in an image that is viewed with this width and height.
func (o orientation) stored(x, y, width, height int) (int, int) {
	switch o {
	case 2:
		return width - 1 - x, y
	case 3:
		return width - 1 - x, height - 1 - y
	case 4:
		return x, height - 1 - y
	case 5:
		return y, x
	case 6:
		return y, width - 1 - x
	case 7:
		return height - 1 - y, width - 1 - x
	case 8:
		return height - 1 - y, x
	}
	return x, y
}
