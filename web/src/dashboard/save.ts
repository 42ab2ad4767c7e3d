// Files of what is on the screen.

export interface Table {
  title: string;
  columns: string[];
  rows: (string | number)[][];
}

/** RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe: names and titles are other people's text. */
export function csv({ columns, rows }: Table): string {
  const cell = (value: string | number) => {
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function saveCSV(table: Table) {
  const mark = new Uint8Array([0xef, 0xbb, 0xbf]); // or Excel takes UTF-8 for something else
  save(new Blob([mark, csv(table)], { type: "text/csv;charset=utf-8" }), fileName(table.title, "csv"));
}

/** The chart as it stands, on its own ground and under its title. */
export function savePNG(chart: HTMLCanvasElement, title: string, subtitle: string) {
  const style = getComputedStyle(chart.closest("section") ?? document.body);
  const ratio = devicePixelRatio;
  const pad = 24 * ratio;
  const head = 60 * ratio;
  const canvas = document.createElement("canvas");
  canvas.width = chart.width + 2 * pad;
  canvas.height = chart.height + head + 2 * pad;
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.color;
  pen.textBaseline = "top";
  pen.font = `600 ${18 * ratio}px ${style.fontFamily}`;
  pen.fillText(title, pad, pad);
  pen.font = `400 ${13 * ratio}px ${style.fontFamily}`;
  pen.globalAlpha = 0.7;
  pen.fillText(subtitle, pad, pad + 26 * ratio);
  pen.globalAlpha = 1;
  pen.drawImage(chart, pad, pad + head);
  canvas.toBlob((blob) => blob && save(blob, fileName(title, "png")), "image/png");
}

function fileName(title: string, extension: string): string {
  return `segue-${title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "")}.${extension}`;
}

function save(blob: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
