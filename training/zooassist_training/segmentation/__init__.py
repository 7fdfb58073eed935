"""Networks that draw masks of images and volumes, and the discriminators that judge them."""
