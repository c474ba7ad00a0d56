/** The events of the shop. Only polybus.yaml says which broker carries which topic. */
export interface Topics {
  'cart.checked-out': Order;
  'order.placed': Order;
  'payment.captured': Order & { readonly receipt: string };
  'analytics.sale': { readonly orderId: string; readonly total: number };
}

export interface Order {
  readonly orderId: string;
  readonly customer: string;
  readonly total: number;
}
