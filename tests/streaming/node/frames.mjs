// Run by test_receive_js.py: reads frames from pieces of text given on stdin, and prints the frames.
import { pathToFileURL } from "node:url";

const { FrameReader } = await import(pathToFileURL(process.argv[2]).href);
let input = "";
for await (const chunk of process.stdin) input += chunk;
const cases = JSON.parse(input).map((pieces) => {
  const reader = new FrameReader();
  return pieces.flatMap((piece) => reader.feed(piece)).map((frame) => [frame.event, frame.data, frame.id]);
});
process.stdout.write(JSON.stringify(cases));
