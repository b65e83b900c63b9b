from collections import Counter


def handler(orders, context):
    """What a report says of its orders."""
    by_product = Counter()
    for order in orders:
        by_product[order["product"]] += order["cents"]
    best = by_product.most_common(1)
    return {
        "orders": len(orders),
        "cents": sum(by_product.values()),
        "best": best[0][0] if best else None,
    }
