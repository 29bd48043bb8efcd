package report

import (
	"encoding/base64"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evil is what a name may hold.
const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;` + "\x00\xff"

// TestPage writes a page whose every text is hostile: nothing of it becomes markup, and nothing outside is asked for.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	png := pictures(t, 1, 8, 8, func(_, x, y int) color.Color { return color.Gray{uint8(x * y)} })[0]
	text := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(text, []byte("name\n"+evil+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := Page{
		Title: evil, Doc: evil, Status: evil, Live: true, Facts: [][2]string{{evil, evil}},
		Charts:   []Chart{{Title: evil, X: evil, Series: []Series{{evil, []float64{1, 2}, []float64{1, 2}}}}, {Title: "empty" + evil}},
		Pictures: []Picture{{evil, png}, {"table", text}, {"lost", filepath.Join(dir, "lost.png")}, {"other", "x.exe"}},
		Tables: []Table{
			{Title: evil, Note: evil, Head: []string{evil, "b"}, Rows: [][]string{{evil, "1"}, {"two", "2"}}, Marked: 1},
			{Title: "closed", Rows: [][]string{{"three"}}, Closed: true, Marked: -1},
		},
	}
	path := filepath.Join(dir, "r.html")
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, bad := range []string{"<script", "onerror=alert(2)>", "<img src=x", "<link", "@import"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q:\n%s", bad, page)
		}
	}
	for _, ref := range regexp.MustCompile(`(?:src|href|url)\s*[=(]\s*["']?([^"'\s>]*)`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(ref[1], "data:image/") && !strings.HasPrefix(ref[0], "src=x") {
			t.Errorf("the page asks for %q", ref[0])
		}
	}
	data, err := os.ReadFile(png)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"&lt;script&gt;alert(1)&lt;/script&gt;", "</svg>", "no finite point", `http-equiv="refresh"`, "default-src 'none'",
		"data:image/png;base64," + base64.StdEncoding.EncodeToString(data), "lost.png: no such file", "x.exe is no picture",
		`<tr class="marked"><td>two</td><td>2</td></tr>`, "<details><summary>1 rows</summary>", "<tr><td>three</td></tr>",
	} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "+", "&#43;")) {
			t.Errorf("the page lacks %q", want)
		}
	}
	p.Live = false
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); strings.Contains(string(b), "refresh") {
		t.Error("a page of a run that has ended loads itself again")
	}
}

// TestPagePictures makes large pictures smaller, and shows the beginning of a long text.
func TestPagePictures(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	large := pictures(t, 1, 1200, 900, func(int, int, int) color.Color { return color.Gray{uint8(r.Uint32())} })[0]
	s, err := Picture{Path: large}.read()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Image); n > 4*mostEmbedded/3+100 || !strings.HasPrefix(string(s.Image), "data:image/png;base64,") {
		t.Errorf("a picture of %d letters", n)
	}
	text := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("a line\n", 10000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err = (Picture{Path: text}).read(); err != nil || len(s.Text) > mostShown+10 || !strings.HasSuffix(s.Text, "a line\n…") {
		t.Errorf("a text of %d bytes, %v", len(s.Text), err)
	}
}
