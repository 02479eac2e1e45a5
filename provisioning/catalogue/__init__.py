"""What is sold: products, their plans and add-ons in versions, and the features that they give."""
