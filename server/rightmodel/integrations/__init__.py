"""Registrations: what each agent needs to start rightmodel, in its own file format.

`clients` holds the facts of each agent, `registration` turns them into an entry, `model_setup`
knows what an agent runs on and makes the gateway its model, `edit` puts either into the text of a
file or takes it out. Pure: nothing here touches a file.
"""
