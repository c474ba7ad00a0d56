/** The font and the colours that all charts share, for light and dark pages. */
export const chartStyle = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .quiet { fill: #59636e }
  @media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .quiet { fill: #9198a1 } }`;

/** A chart. The style of its own classes follows {@link chartStyle}. */
export function svg(
  width: number,
  height: number,
  label: string,
  ownStyle: string,
  marks: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">`,
    `<style>${chartStyle}${ownStyle}\n</style>`,
    ...marks,
    '</svg>\n',
  ].join('\n');
}

export function text(x: number, y: number, content: string, name: string, anchor = 'start'): string {
  const at = `x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}"`;
  return `<text ${at}${name === '' ? '' : ` class="${name}"`}>${content}</text>`;
}
