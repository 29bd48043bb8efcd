// Package train has a training loop and the pieces that it is made of.
//
// [Fit] trains a program on a data set: epochs of shuffled batches, validation, early stopping, checkpoints, progress, and
// a folder that says how it went. An interrupted run goes on from its last checkpoint and ends as it would have without
// the interruption, bit for bit. One process at a time trains in a folder.
//
// The loop is no more than calls of [runtime.Do], and a person may write their own from the pieces: [Run] runs
// a step and [Evaluate] a validation, [OpenRun] keeps metrics and checkpoints in a folder like Fit's, [Progress] shows how it
// goes; docs/own-loop.md is the whole way. Below these, [Mean] averages metrics, [Checkpoints] saves and restores, [History] keeps
// records.
//
// A run's folder has
//
//	config.json               what is trained on what; a resumed run must agree with it
//	metrics.jsonl             a Record a line
//	progress.json             how far it is within the epoch, while a process trains
//	loss.png                  the curve of these
//	report.html               all of the run on one page
//	samples/epoch-001.png     what the callbacks draw, or .csv, .txt: what they write
//	samples.gif               the pictures among these, as an animation
//	tensorboard/events.*      the records and samples, for TensorBoard
//	checkpoints/index.json    names the best and the last checkpoint, and says where in the run they are
//	checkpoints/*.safetensors the state
package train
