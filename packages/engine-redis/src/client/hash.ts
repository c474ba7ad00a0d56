/** Spreads texts evenly over 32 bits, differently for each seed. */
export function hashOf(text: string, seed = 0): number {
  let value = seed;
  for (let i = 0; i < text.length; i++) value = Math.imul(value, 31) + text.charCodeAt(i);
  // Until here, texts that differ only in their last character have neighbouring values.
  value = Math.imul(value ^ (value >>> 16), 0x85_eb_ca_6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2_b2_ae_35);
  return (value ^ (value >>> 16)) >>> 0;
}
