// Package gan has generative adversarial networks over square images: the original (Goodfellow et al. 2014), the convolutional one
// (Radford et al. 2016), and those after them that differ in the loss, in what keeps the critic smooth, and in how a class is given,
// p(x|y). What they share is a [GAN]; what each is, zoo.go says in the paper's terms.
//
// Networks see pixels in [-1, 1]; the images of a program's inputs and outputs are in [0, 1].
package gan
