/** The events of the shop, which all services share. */
export interface Topics {
  'shop.order.placed': Order;
  'shop.payment.captured': Payment;
}

/** The requests of the shop. */
export interface Requests {
  'shop.bank.charge': { request: { customer: string; total: number }; reply: { receipt: string } };
}

export interface Order {
  readonly orderId: string;
  readonly customer: string;
  readonly total: number;
}

export interface Payment extends Order {
  readonly receipt: string;
}
