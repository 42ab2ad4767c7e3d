import { expect, test } from "vitest";
import { csv } from "./save";

test("cells are quoted where they must be, and formulas disarmed", () =>
  expect(csv({ title: "", columns: ["a", "b"], rows: [['say "hi", now', 1], ["=HYPERLINK(1)", -2], ["+1", 0]] })).toBe(
    'a,b\r\n"say ""hi"", now",1\r\n\'=HYPERLINK(1),-2\r\n\'+1,0\r\n',
  ));
