package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/png"
	"io"
	"path/filepath"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// A Page is a report as one HTML file that needs nothing outside itself. Names and texts in it may hold anything.
type Page struct {
	Title, Doc string
	Status     string      // in words
	Live       bool        // it will be written again, and a browser that shows it looks every half a minute
	Facts      [][2]string // the first things to know: a name and a value each
	Charts     []Chart
	Pictures   []Picture
	Tables     []Table
}

// A Picture is a file that a page shows: a PNG or GIF, or the beginning of a text.
type Picture struct{ Title, Path string }

// A Table is a table of a page.
type Table struct {
	Title, Note string
	Head        []string
	Rows        [][]string
	Marked      int  // the row that stands out, counted from 0; -1 for none
	Closed      bool // it is shown when somebody asks
}

// The bounds of what a page shows.
const (
	mostEmbedded = 1 << 20  // bytes of a PNG: larger ones are made smaller
	mostGIF      = 16 << 20 // bytes
	mostText     = 64 << 20 // bytes of a text that is read
	mostShown    = 4 << 10  // bytes of a text that are shown
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"chart": chartHTML, "picture": pictureHTML}).Parse(pageText))

// Write writes the page as the file path, which appears whole or not at all. What cannot be drawn is said in its place.
func (p Page) Write(path string) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return pageTemplate.Execute(w, p) }); err != nil {
		return fmt.Errorf("write the report %s: %w", path, err)
	}
	return nil
}

// chartHTML is a chart as a drawing in the page. SVG escapes its texts.
func chartHTML(c Chart) (template.HTML, error) {
	svg, err := c.SVG()
	if err != nil {
		return template.HTML(template.HTMLEscapeString(c.Title + ": " + err.Error())), nil
	}
	return template.HTML(svg), nil
}

// A shown picture is the address of an image, with all of it, or a text.
type shown struct {
	Image template.URL
	Text  string
}

// pictureHTML reads a picture.
func pictureHTML(p Picture) shown {
	s, err := p.read()
	if err != nil {
		return shown{Text: err.Error()}
	}
	return s
}

func (p Picture) read() (shown, error) {
	switch ext := filepath.Ext(p.Path); ext {
	case ".png":
		b, err := regularfile.Read(p.Path, mostPicture)
		if err == nil && len(b) > mostEmbedded {
			b, err = smaller(p.Path, b)
		}
		return shown{Image: dataURI("png", b)}, err
	case ".gif":
		b, err := regularfile.Read(p.Path, mostGIF)
		return shown{Image: dataURI("gif", b)}, err
	case ".txt", ".csv":
		b, err := regularfile.Read(p.Path, mostText)
		return shown{Text: Beginning(b)}, err
	}
	return shown{}, fmt.Errorf("%s is no picture that a page shows", filepath.Base(p.Path))
}

// Beginning is the beginning of a text, in whole lines where they are short.
func Beginning(b []byte) string {
	if len(b) <= mostShown {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	b = b[:mostShown]
	if i := bytes.LastIndexByte(b, '\n'); i > 0 {
		b = b[:i+1]
	}
	return strings.ToValidUTF8(string(b), "\uFFFD") + "…"
}

func dataURI(kind string, b []byte) template.URL {
	return template.URL("data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(b))
}

// smaller is a PNG with fewer pixels.
func smaller(path string, b []byte) ([]byte, error) {
	img, err := decodePNG(path, b)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = png.Encode(&out, shrunk(img, mostSide, zoomOf(img)))
	return out.Bytes(), err
}
