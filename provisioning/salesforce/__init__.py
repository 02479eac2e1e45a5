"""What an org needs for provisioning: fields, permission sets, layouts, a flow that calls us; deploying and checking them."""
