"""What the page says in whole sentences: what is measured and how, so that a reader can judge the figures."""

from __future__ import annotations

INTRODUCTION = """# Serving, measured

Made by `make benchmark-serving`; do not edit. Every server runs the same ONNX file with one ONNX Runtime thread a
process, decodes JPEG files with the same decoder, and answers a label with its score. Servers run with two processes
that score, one a core, except triton-1.

- **bare**: as many processes as clients, at most one a core, each looping over decode and run of one image. No HTTP.
- **of bare**: a server's good answers a second by bare's images a second in the same round; median and range of the
  rounds. In a round each participant is measured once, and the order rotates. **a tie**: the two ranges overlap.
- **processor ms**: of the server's whole process tree, for one good answer; steadier than a rate on a shared machine.
- The load generator, wrk with one thread, runs on the same cores; what it takes is at the end of this page. Bare ONNX
  Runtime has no such guest, and with one client also no waking of another process for every request.
- **raw** is a frame of the model's own size, uint8 RGB: by the V2 protocol's binary tensors where a server speaks them,
  as the request's whole body elsewhere, which is less to parse. **jpeg** is a 640x480 file with the spectrum of a
  photograph; the model resizes it inside its graph.
- **tiny** is the network of the demo (0.1 ms a raw frame), **mobilenetv2** is MobileNetV2 at width 1.0 and 224x224,
  both with random weights."""

OVERLOAD_WORDS = """## Overload: mobilenetv2, jpeg, three times the capacity

Capacity is measured in a closed loop; then requests come at random moments at three times that rate, whether or not
earlier ones are answered. A client gives up after 2 s and closes. Goodput is what was answered with 200 before that and
while requests still came; p50 and p99 are of all answers with 200, from the moment at which the request was due."""

STREAM_WORDS = """## Streams: tiny, decode and score

As fast as it goes: our engine by a bare loop of decode, convert and run, a process a stream, at most one a core, one
thread each. At 25 fps: the same clip in its own time on every stream; what share of the frames was scored, and how old
a result is when it is there."""
