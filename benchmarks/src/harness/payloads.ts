/** The payload of most comparisons. */
export const user = {
  id: 'u-1',
  name: 'Ada',
  roles: ['admin', 'author'],
  address: { city: 'London', zip: 'N1' },
};

interface Line {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly price: { readonly amount: number; readonly currency: string };
  readonly tags: readonly string[];
}

export interface Order {
  readonly id: string;
  readonly customer: { readonly id: number; readonly email: string };
  readonly isPaid: boolean;
  readonly note: string | null;
  readonly lines: readonly Line[];
}

/** An order of a web shop. The sizes below are those of the JSON text. */
function order(lines: number): Order {
  return {
    id: 'order-4711',
    customer: { id: 42, email: 'ada@example.org' },
    isPaid: true,
    note: null,
    lines: Array.from({ length: lines }, (_, i) => ({
      sku: `sku-${1000 + i}`,
      name: `Article number ${i}`,
      quantity: 1 + (i % 3),
      price: { amount: 1999 + i, currency: 'EUR' },
      tags: ['new', 'gift'],
    })),
  };
}

/** About 200 bytes. */
export const small: Order = order(1);
/** About 2 KiB. */
export const medium: Order = order(17);
/** About 20 KiB. */
export const large: Order = order(172);
