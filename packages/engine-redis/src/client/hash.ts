/** Spreads texts evenly over 32 bits; with another seed, otherwise. */
export function hashOf(text: string, seed = 0): number {
  let value = seed;
  for (let i = 0; i < text.length; i++) value = Math.imul(value, 31) + text.charCodeAt(i);
  // Texts that differ in their last character alone are neighbours until here.
  value = Math.imul(value ^ (value >>> 16), 0x85_eb_ca_6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2_b2_ae_35);
  return (value ^ (value >>> 16)) >>> 0;
}
