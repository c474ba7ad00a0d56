/** What happens in the shop. Which broker carries which of them is in polybus.yaml alone. */
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
